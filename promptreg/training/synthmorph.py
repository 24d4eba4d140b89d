"""SynthMorph's idea on our generator: learn the overlap of labels of one scene under two appearances.

After Hoffmann et al., IEEE TMI 41(3), 2022: no real image is seen, and looks vary so much that none matters.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from promptreg.atomic import replacing
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned_file import read_network, write_networks
from promptreg.nets.registration.recipes import seeded_net
from promptreg.nets.weightfile import write_record
from promptreg.seeds import derive_seed
from promptreg.training.linelog import LineLog
from promptreg.training.registration_losses import roughness, warped
from promptreg.training.synthmorph_scenes import Batch, ScenePool, batched, drawn_scenes, overlap

COLUMNS = ("step", "loss", "dice", "start_dice")
SMOOTHNESS = 1.0
"""Weight of the mean squared differences of neighbours, in cells, as published."""

WARM = 100
"""Steps over which the step size rises."""

FILE = "synthmorph.safetensors"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What is learned from in one dimension, and how: small enough for hours of one core."""

    net: str
    side: int
    batch: int
    width: float
    step_size: float
    pool: int
    fresh: int
    every: int
    checked: int
    validate_every: int


RECIPES = {
    2: Recipe("voxelmorph", 96, 4, 1.0, 1e-3, pool=2000, fresh=8, every=8, checked=48, validate_every=250),
    3: Recipe(
        "voxelmorph_halved", 64, 1, 0.75, 1e-3, pool=200, fresh=1, every=8, checked=12, validate_every=100
    ),
}


@dataclass(eq=False)
class _Run:
    net: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0


def train_synthmorph(out: Path, *, ndim: int, steps: int, seed: int = 0) -> dict[str, Any]:
    """Train the network for images of one dimension; return its last measures.

    The folder `out` gets the weights (beside those of the other dimension, if they lie there), their record,
    `log_NDd.csv` and a checkpoint, from which the same call goes on after it was stopped. The step size rises
    over the first steps and falls as a cosine; draws depend on the seed and the number of the step alone.
    """
    recipe = RECIPES[ndim]
    shape = (recipe.side,) * ndim
    net = seeded_net(recipe.net, shape, recipe.width, derive_seed(seed, "synthmorph", "weights", ndim))
    run = _Run(net, torch.optim.Adam(net.parameters(), lr=recipe.step_size))
    said = {"seed": seed, "of_steps": steps, "recipe": repr(recipe)}
    checkpoint = out / f"checkpoint_{ndim}d.pt"
    _resume(run, checkpoint, said)
    log = LineLog(out / f"log_{ndim}d.csv", COLUMNS, after=run.step or None)
    pool = ScenePool(shape, seed=seed, size=recipe.pool, fresh=recipe.fresh, every=recipe.every)
    checked = drawn_scenes(recipe.checked, shape, derive_seed(seed, "synthmorph", "checked") % 2**31)
    losses: list[float] = []
    found = _noted(run, batched(checked), losses, log) if run.step in (0, steps) else {}
    while run.step < steps:
        losses.append(_step(run, batched(pool.taken(run.step, recipe.batch)), recipe.step_size, steps))
        if run.step % recipe.validate_every == 0 or run.step == steps:
            found = _noted(run, batched(checked), losses, log)
            losses = []
            with replacing(checkpoint) as temporary:
                torch.save({**_states(run), "step": run.step, "said": said}, temporary)
    _write(out, ndim, run, {**said, **found})
    checkpoint.unlink(missing_ok=True)
    return found


def _step(run: _Run, batch: Batch, step_size: float, steps: int) -> float:
    """One batch, one step; its loss."""
    falling = (1 + math.cos(math.pi * run.step / steps)) / 2
    for group in run.optimizer.param_groups:
        group["lr"] = step_size * min(1.0, (run.step + 1) / WARM) * max(0.01, falling)
    loss = _loss(run.net, batch)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    return loss.item()


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    field = net(batch.moving, batch.fixed)
    moved = torch.stack([warped(a, u) for a, u in zip(batch.moving_masks, field, strict=True)])
    rough = torch.stack([roughness("gradient", u) for u in field]).mean()
    return 1 - overlap(moved, batch.fixed_masks).mean() + SMOOTHNESS * rough


@torch.no_grad()
def _noted(run: _Run, batch: Batch, losses: list[float], log: LineLog) -> dict[str, Any]:
    """Measure the overlap after and before registration on fixed scenes, and add a line to the log."""
    field = run.net.eval()(batch.moving, batch.fixed)
    run.net.train()
    moved = torch.stack([warped(a, u) for a, u in zip(batch.moving_masks, field, strict=True)])
    row = {
        "step": run.step,
        "loss": sum(losses) / len(losses) if losses else math.nan,
        "dice": overlap(moved, batch.fixed_masks).mean().item(),
        "start_dice": overlap(batch.moving_masks, batch.fixed_masks).mean().item(),
    }
    log.append(row)
    logger.info("%s", row)
    return row


def _states(run: _Run) -> dict[str, Any]:
    return {"net": run.net.state_dict(), "optimizer": run.optimizer.state_dict()}


def _resume(run: _Run, checkpoint: Path, said: Mapping[str, Any]) -> None:
    """Go on from a checkpoint of the same settings, if there is one."""
    if not checkpoint.is_file():
        return
    content = torch.load(checkpoint, weights_only=True)
    if content["said"] != said:
        logger.info("%s is of other settings: beginning anew", checkpoint)
        return
    run.net.load_state_dict(content["net"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.step = content["step"]


def _write(out: Path, ndim: int, run: _Run, said: Mapping[str, Any]) -> None:
    """Write the weights in half precision, and the record of their hash, as the package ships them."""
    file, recipe = out / FILE, RECIPES[ndim]
    nets: dict[int, nn.Module] = {ndim: run.net.half()}
    about = {
        ndim: {
            "method": recipe.net,
            "shape": [recipe.side] * ndim,
            "cells": recipe.side,
            "width": recipe.width,
            **said,
        }
    }
    other = 5 - ndim
    try:
        net, about[other] = read_network(file, other)
        nets[other] = net.half()
    except BaselineUnavailable:
        logger.info("%s holds the network of %dD images alone", file, ndim)
    write_networks(file, nets, about, trained_on="synthetic images alone")
    write_record(file)
