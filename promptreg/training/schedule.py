"""What changes in the course of a run, as functions of the share of the budget that is spent."""

from __future__ import annotations

import math

from promptreg.training.config import TrainPocket

LAST_BALANCED = 0.3
LEAST_RATE = 0.01
"""The learning rate at the end, as a share of the highest."""


def progress(config: TrainPocket, step: int, seconds: float) -> float:
    """Share of the budget that is spent after some steps and seconds; 1 or more ends the run."""
    if config.steps is not None:
        return step / config.steps
    assert config.minutes is not None
    return seconds / (60 * config.minutes)


def learning_rate(config: TrainPocket, step: int, spent: float) -> float:
    """Linear rise over `warm_up` steps, then one cosine over the whole budget."""
    rise = min(1.0, (step + 1) / max(config.warm_up, 1))
    fall = LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * min(spent, 1.0))) / 2
    return config.learning_rate * rise * fall


def balanced_weight(config: TrainPocket, spent: float) -> float:
    """Weight of the class-balanced cross-entropy: from 1 down to 0.3."""
    way = min(1.0, spent / config.balanced_until) if config.balanced_until > 0 else 1.0
    return 1 + (LAST_BALANCED - 1) * way


def batch_shape(config: TrainPocket, spent: float) -> tuple[int, int]:
    """Pairs in a batch and side of its images."""
    if spent >= 1 - config.late_share:
        return config.late_pairs, config.late_side
    return config.n_pairs, config.side


def ema_decay(config: TrainPocket, step: int) -> float:
    """Decay of the moving average: short at first, as the first weights are worth nothing."""
    return min(config.ema, (1 + step) / (10 + step))
