"""Training of adapters: steps, validation, early stopping, checkpoints and a log."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptreg.atomic import replacing
from promptreg.config import Train
from promptreg.models.adapter3d import SamAdapter
from promptreg.seeds import derive_seed
from promptreg.training.adapter_data import LabelledStack, drawn_slab, largest_slabs
from promptreg.training.adapter_step import slab_dice, slab_loss
from promptreg.training.linelog import LineLog

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
COLUMNS = ("step", "loss", "mask", "score", "gradient", "step_size", "dice", "seen_dice")
WARM_UP = 0.05
"""Share of the steps in which the learning rate rises; it falls as a cosine from then on."""

CLIP = 1.0
"""Largest norm of a step's gradient."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Run:
    """A run after `step` steps: the best weights so far, and after how many steps they were reached."""

    model: SamAdapter
    optimizer: torch.optim.Optimizer
    step: int = 0
    best_dice: float = -1.0
    best_step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


def train_adapter(
    model: SamAdapter,
    fit: Sequence[LabelledStack],
    validation: Sequence[LabelledStack],
    config: Train,
    out: Path,
    *,
    seed: int,
    signature: str,
    device: torch.device,
) -> Run:
    """Train the adapters on `fit` and leave `model` with the weights that were best on `validation`.

    Without validation images the last weights are kept. The folder `out` gets the log and a checkpoint;
    a checkpoint with the same `signature` is gone on from as if the run had never stopped, another is
    replaced. Draws depend on `seed` and the number of the step alone.
    """
    model.sam.to(device)
    parameters = model.trainable(decoder=config.decoder)
    run = Run(model, torch.optim.AdamW(parameters, lr=config.step_size, weight_decay=config.decay))
    resumed = _resume(run, out / CHECKPOINT, signature, device)
    log = LineLog(out / LOG, COLUMNS, after=run.step if resumed else None)
    if not resumed:
        _validate(run, fit, validation, log, {}, seed, device)
    numbers: dict[str, list[float]] = {}
    while run.step < config.steps and not _exhausted(run, config, validation):
        for name, value in _step(run, fit, config, parameters, seed, device).items():
            numbers.setdefault(name, []).append(value)
        if run.step % config.validate_every == 0 or run.step == config.steps:
            means = {name: sum(values) / len(values) for name, values in numbers.items()}
            _validate(run, fit, validation, log, means, seed, device)
            numbers = {}
            _save(run, out / CHECKPOINT, signature)
    if validation:
        model.learned.load_state_dict(run.best)
    model.sam.requires_grad_(False)
    return run


def mean_dice(
    model: SamAdapter, stacks: Sequence[LabelledStack], *, seed: int, device: torch.device
) -> float:
    """Mean Dice of one click, in the largest slice of each label of each image; the clicks are fixed."""
    found = []
    for stack in stacks:
        for slab in largest_slabs(stack, model.depth):
            clicks = _generator(seed, "validation", stack.name, int(slab.values[0]))
            found.append(slab_dice(model, stack, slab, clicks, device))
    return torch.cat(found).mean().item()


def _step(
    run: Run,
    fit: Sequence[LabelledStack],
    config: Train,
    parameters: list[torch.nn.Parameter],
    seed: int,
    device: torch.device,
) -> dict[str, float]:
    generator = _generator(seed, "step", run.step)
    stack = fit[int(torch.randint(len(fit), (), generator=generator))]
    slab = drawn_slab(stack, run.model.depth, config.regions, generator)
    found = slab_loss(run.model, stack, slab, config, generator, device)
    loss = found["mask"] + found["score"]
    rate = config.step_size * _share_of_rate(run.step, config.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    run.optimizer.step()
    run.step += 1
    numbers = {name: value.item() for name, value in found.items()}
    return {"loss": loss.item(), **numbers, "gradient": norm.item(), "step_size": rate}


def _share_of_rate(step: int, steps: int) -> float:
    rise = min(1.0, (step + 1) / max(WARM_UP * steps, 1))
    return rise * (1 + math.cos(math.pi * step / steps)) / 2


def _validate(
    run: Run,
    fit: Sequence[LabelledStack],
    validation: Sequence[LabelledStack],
    log: LineLog,
    means: dict[str, float],
    seed: int,
    device: torch.device,
) -> None:
    """Measure, keep the weights if they are the best, and add a line to the log."""
    dice = {"seen_dice": mean_dice(run.model, fit[: max(len(validation), 1)], seed=seed, device=device)}
    if validation:
        dice["dice"] = mean_dice(run.model, validation, seed=seed, device=device)
        if dice["dice"] > run.best_dice:
            run.best_dice, run.best_step = dice["dice"], run.step
            run.best = copy.deepcopy(run.model.learned.state_dict())
    log.append({"step": run.step, **means, **dice})
    words = " ".join(f"{name} {value:.4g}" for name, value in {**means, **dice}.items())
    logger.info("step %d: %s", run.step, words)


def _exhausted(run: Run, config: Train, validation: Sequence[LabelledStack]) -> bool:
    """Whether the last validations brought nothing."""
    return bool(validation) and run.step - run.best_step >= config.patience * config.validate_every


def _save(run: Run, path: Path, signature: str) -> None:
    content: dict[str, Any] = {
        "signature": signature,
        "learned": run.model.learned.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        **{name: getattr(run, name) for name in ("step", "best_dice", "best_step", "best")},
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def _resume(run: Run, path: Path, signature: str, device: torch.device) -> bool:
    """Go on from a checkpoint of the same data and settings, if there is one."""
    if not path.is_file():
        return False
    content = torch.load(path, map_location=device, weights_only=True)
    if content["signature"] != signature:
        logger.info("%s is of other data or settings: beginning anew", path)
        return False
    run.model.learned.load_state_dict(content["learned"])
    run.optimizer.load_state_dict(content["optimizer"])
    for name in ("step", "best_dice", "best_step", "best"):
        setattr(run, name, content[name])
    return True


def _generator(seed: int, *purpose: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, "adapter", *purpose))
