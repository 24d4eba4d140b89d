"""Training of a registration network: steps, validation, early stopping, checkpoints and a log."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptreg.atomic import replacing
from promptreg.config import Learn
from promptreg.nets.registration.keymorph import KeyMorphNet
from promptreg.nets.registration.recipes import Recipe
from promptreg.seeds import derive_seed
from promptreg.training.linelog import LineLog
from promptreg.training.registration_augment import augmented
from promptreg.training.registration_data import Example
from promptreg.training.registration_losses import keypoint_loss, mean_dice, roughness, unlikeness

COLUMNS = ("step", "loss", "unlikeness", "roughness", "gradient", "validation", "seen", "dice")
KEPT = ("step", "best_value", "best_step", "best")

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Run:
    """A run after `step` steps: the best weights so far, and after how many steps they were reached."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    best_value: float = math.inf
    best_step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What a run is given: the examples, the method's recipe, settings, seed and device."""

    fit: Sequence[Example]
    validation: Sequence[Example]
    recipe: Recipe
    config: Learn
    seed: int
    device: torch.device

    @property
    def smoothness(self) -> float:
        """Weight of the roughness."""
        return self.recipe.smoothness if self.config.smoothness is None else self.config.smoothness

    @property
    def taught(self) -> int:
        """Number of steps in which keypoints are taught to move as the image does, before all others."""
        return round(self.recipe.taught * self.config.steps)


def train_network(net: nn.Module, task: Task, out: Path, *, name: str, signature: str) -> Run:
    """Train `net` and leave it with the weights that were best on the validation pairs.

    Without such pairs the last weights are kept. What is best is the loss itself, or the Dice of the labels
    for a method that is trained on labels: labels decide nothing elsewhere. The folder `out` gets
    `log_NAME.csv` and `checkpoint_NAME.pt`; a checkpoint with the same `signature` is gone on from as if the
    run had never stopped, another is replaced. Draws depend on the seed and the number of the step alone.
    """
    run = _first(net, task)
    checkpoint = out / f"checkpoint_{name}.pt"
    resumed = _resume(run, checkpoint, signature, task.device)
    log = LineLog(out / f"log_{name}.csv", COLUMNS, after=run.step if resumed else None)
    if not resumed:
        _validate(run, task, log, {})
    numbers: dict[str, list[float]] = {}
    config = task.config
    while run.step < config.steps and not _exhausted(run, task):
        for key, value in _step(run, task).items():
            numbers.setdefault(key, []).append(value)
        if run.step % config.validate_every == 0 or run.step == config.steps:
            _validate(run, task, log, {key: sum(found) / len(found) for key, found in numbers.items()})
            numbers = {}
            _save(run, checkpoint, signature)
    if task.validation:
        net.load_state_dict(run.best)
    net.eval().requires_grad_(False)
    return run


def _first(net: nn.Module, task: Task) -> Run:
    net.to(task.device).train()
    size = task.recipe.step_size if task.config.step_size is None else task.config.step_size
    optimizer = torch.optim.Adam(net.parameters(), lr=size, amsgrad=task.recipe.amsgrad)
    return Run(net, optimizer, torch.amp.GradScaler(task.device.type, enabled=task.device.type == "cuda"))


def _step(run: Run, task: Task) -> dict[str, float]:
    """One pair, one step. Mixed precision on CUDA; the losses are always in single precision."""
    generator = torch.Generator().manual_seed(derive_seed(task.seed, "registration", "step", run.step))
    one = task.fit[int(torch.randint(len(task.fit), (), generator=generator))].to(task.device)
    if task.recipe.augmented:
        one = augmented(one, task.recipe.augmented, generator)
    with torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []):
        torch.manual_seed(derive_seed(task.seed, "registration", "dropped", run.step))
        found = _losses(run, task, one, generator)
    run.optimizer.zero_grad(set_to_none=True)
    run.scaler.scale(found["loss"]).backward()
    run.scaler.unscale_(run.optimizer)
    norm = torch.nn.utils.get_total_norm([p.grad for p in run.net.parameters() if p.grad is not None])
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.step += 1
    return {**{name: value.item() for name, value in found.items()}, "gradient": norm.item()}


def _losses(run: Run, task: Task, one: Example, generator: torch.Generator) -> dict[str, Tensor]:
    if run.step < task.taught and isinstance(run.net, KeyMorphNet):
        return {"loss": keypoint_loss(run.net, one.fixed, generator)}
    with torch.autocast(task.device.type, torch.float16, enabled=run.scaler.is_enabled()):
        voxel = run.net(one.moving[None], one.fixed[None])[0]
    found = _terms(task, voxel.float(), one, generator)
    return {"loss": found["unlikeness"] + found["roughness"], **found}


def _terms(task: Task, voxel: Tensor, one: Example, generator: torch.Generator) -> dict[str, Tensor]:
    """Both terms of the loss of a field, weighted."""
    return {
        "unlikeness": unlikeness(task.recipe, voxel, one, generator, every_label=task.config.labels == "all"),
        "roughness": task.smoothness * roughness(task.recipe.roughness, voxel),
    }


def _validate(run: Run, task: Task, log: LineLog, means: dict[str, float]) -> None:
    """Measure, keep the weights if they are the best, and add a line to the log."""
    found = {"seen": _measured(run, task, task.fit[: max(len(task.validation), 1)])[0]}
    if task.validation:
        found["validation"], found["dice"] = _measured(run, task, task.validation)
        if found["validation"] < run.best_value:
            run.best_value, run.best_step = found["validation"], run.step
            run.best = copy.deepcopy(run.net.state_dict())
    log.append({"step": run.step, **means, **found})
    words = " ".join(f"{name} {value:.4g}" for name, value in {**means, **found}.items())
    logger.info("step %d: %s", run.step, words)


@torch.no_grad()
def _measured(run: Run, task: Task, examples: Sequence[Example]) -> tuple[float, float]:
    """Mean of what decides (smaller is better) and mean Dice (of those with labels) on some pairs."""
    run.net.eval()
    values, overlaps = [], []
    for one in (each.to(task.device) for each in examples):
        voxel = run.net(one.moving[None], one.fixed[None])[0].float()
        dice = mean_dice(voxel, one)
        if task.recipe.similarity == "labels":
            values.append(1 - dice)
        else:
            terms = _terms(task, voxel, one, torch.Generator())
            values.append((terms["unlikeness"] + terms["roughness"]).item())
        overlaps += [] if math.isnan(dice) else [dice]
    run.net.train()
    return sum(values) / len(values), sum(overlaps) / len(overlaps) if overlaps else math.nan


def _exhausted(run: Run, task: Task) -> bool:
    """Whether the last validations brought nothing."""
    since = run.step - max(run.best_step, task.taught)
    return bool(task.validation) and since >= task.config.patience * task.config.validate_every


def _save(run: Run, path: Path, signature: str) -> None:
    content: dict[str, Any] = {
        "signature": signature,
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
        **{name: getattr(run, name) for name in KEPT},
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
    run.net.load_state_dict(content["net"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.scaler.load_state_dict(content["scaler"])
    for name in KEPT:
        setattr(run, name, content[name])
    return True
