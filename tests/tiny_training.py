"""A training run that takes seconds: a thin network on small images."""

from __future__ import annotations

import torch

from promptreg.synth import SynthPairs
from promptreg.training.config import Sizes, TrainPocket

TINY_SIZES = Sizes(
    widths=(8, 16, 16, 32),
    blocks=(1, 1, 1, 1),
    attention=1,
    embedding=16,
    decoder=16,
    heads=2,
    decoder_depth=1,
    fine=(8, 8),
)


def tiny_config(**changes: object) -> TrainPocket:
    """Six steps of one pair at 32 pixels, or what `changes` say."""
    settings = {
        "network": TINY_SIZES,
        "steps": 6,
        "n_pairs": 1,
        "side": 32,
        "late_side": 48,
        "late_share": 0.34,
        "late_pairs": 1,
        "n_regions": 2,
        "n_points": 3,
        "warm_up": 2,
        "validate_every": 3,
        "validation_pairs": 1,
        "log_every": 2,
        "checkpoint_minutes": 0.0,
        "half_precision": False,
    }
    return TrainPocket.model_validate(settings | changes)


def shifted_pair(shift: int = 3) -> SynthPairs:
    """Two boxes on a background (32, 32), and the same moved to the right; the flow says so."""
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, 8:20, 4:16] = 1
    labels[:, 22:30, 2:26] = 2
    moved = labels.roll(shift, 2)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    flow = torch.stack([y, x + shift], dim=-1)[None]
    first, second = (one[:, None].float().expand(1, 3, 32, 32) / 2 for one in (labels, moved))
    parents = torch.zeros(1, 3, dtype=torch.long)
    return SynthPairs(first, second, labels, moved, parents, flow, torch.tensor([True]))
