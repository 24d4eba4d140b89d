"""SynthMorph's idea on our generator: learn the overlap of labels of one scene under two appearances.

After Hoffmann et al., IEEE TMI 41(3), 2022: no real image is seen, and looks vary so much that none matters.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from promptreg.baselines.learned_file import write_networks
from promptreg.geometry import cell_indices
from promptreg.nets.registration.recipes import seeded_net
from promptreg.nets.weightfile import write_record
from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs
from promptreg.training.linelog import LineLog
from promptreg.training.registration_losses import roughness, warped

COLUMNS = ("step", "seconds", "loss", "dice", "start_dice")
SIDE, BATCH = 96, 4
SMOOTHNESS = 1.0
"""Weight of the mean squared differences of neighbours, in cells, as published."""

STEP_SIZE = 1e-3
TURN_DEG, SCALE, SHIFT = 10.0, 1.1, 0.05
"""Remaining affine motion: a pair is as well pre-aligned as a rough method can."""

CHECKED = 48
VALIDATE_EVERY = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Scenes:
    """B pairs of images (B, 1, *shape) in [0, 1], and their labels as masks (B, L, *shape)."""

    moving: Tensor
    fixed: Tensor
    moving_masks: Tensor
    fixed_masks: Tensor


def drawn_scenes(n: int, shape: tuple[int, ...], seed: int) -> Scenes:
    """Draw pairs of one scene each, pre-aligned up to a small affine; the same seed gives the same pairs."""
    pairs = synth_pairs(n, shape, seed=seed)
    generator = torch.Generator().manual_seed(derive_seed("synthmorph", seed))
    index = torch.stack([_nearly_aligned(flow, generator) for flow in pairs.flow])
    field = (index - cell_indices(shape)).movedim(-1, 1)
    moving = torch.stack([warped(a, u) for a, u in zip(_grey(pairs.second), field, strict=True)])
    count = pairs.parents.shape[1]
    maps = (pairs.second_labels, pairs.first_labels)
    masks = [one_hot(one, count).movedim(-1, 1)[:, 1:].float() for one in maps]
    moved = torch.stack([warped(a, u) for a, u in zip(masks[0], field, strict=True)])
    return Scenes(moving, _grey(pairs.first), moved, masks[1])


def overlap(moved: Tensor, fixed: Tensor) -> Tensor:
    """Return the mean soft Dice (B,) of masks (B, L, *shape) over labels that both images show."""
    moved, fixed = moved.flatten(2), fixed.flatten(2)
    both, sizes = (moved * fixed).sum(2), moved.square().sum(2) + fixed.square().sum(2)
    shown = (moved.sum(2) > 1) & (fixed.sum(2) > 1)
    return (2 * both / sizes.clamp_min(1) * shown).sum(1) / shown.sum(1).clamp_min(1)


def train_synthmorph(out: Path, *, minutes: float, seed: int = 0, width: float = 1.0) -> dict[str, Any]:
    """Train for a time, write weights, their record and `log.csv` into a folder; return the last measures.

    The step size falls as a cosine over the time, so that the weights depend on the speed of the machine.
    """
    shape = (SIDE, SIDE)
    net = seeded_net("voxelmorph", shape, width, derive_seed(seed, "synthmorph", "weights"))
    optimizer = torch.optim.Adam(net.parameters(), lr=STEP_SIZE)
    log = LineLog(out / "log.csv", COLUMNS)
    checked = drawn_scenes(CHECKED, shape, derive_seed(seed, "synthmorph", "checked") % 2**31)
    begun, step, losses = time.perf_counter(), 0, list[float]()
    found: dict[str, Any] = {}
    while (spent := (time.perf_counter() - begun) / (60 * minutes)) < 1:
        if step % VALIDATE_EVERY == 0:
            found = _noted(net, checked, step, time.perf_counter() - begun, losses, log)
            losses = []
        for group in optimizer.param_groups:
            group["lr"] = STEP_SIZE * max(0.01, (1 + math.cos(math.pi * spent)) / 2)
        scenes = drawn_scenes(BATCH, shape, derive_seed(seed, "synthmorph", "step", step) % 2**31)
        loss = _loss(net, scenes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
    found = _noted(net, checked, step, time.perf_counter() - begun, losses, log)
    write_shipped(net, out, width=width, about={"minutes": minutes, "seed": seed, **found})
    return found


def write_shipped(net: nn.Module, out: Path, *, width: float, about: dict[str, Any]) -> None:
    """Write the weights in half precision, and the record of their hash, as the package ships them."""
    file = out / "synthmorph.safetensors"
    said = {"method": "voxelmorph", "shape": [SIDE, SIDE], "cells": SIDE, "width": width}
    write_networks(file, {2: net.half()}, {2: said}, trained_on="synthetic images alone", **about)
    write_record(file)


def _loss(net: nn.Module, scenes: Scenes) -> Tensor:
    field = net(scenes.moving, scenes.fixed)
    moved = torch.stack([warped(a, u) for a, u in zip(scenes.moving_masks, field, strict=True)])
    rough = torch.stack([roughness("gradient", u) for u in field]).mean()
    return 1 - overlap(moved, scenes.fixed_masks).mean() + SMOOTHNESS * rough


@torch.no_grad()
def _noted(
    net: nn.Module, scenes: Scenes, step: int, seconds: float, losses: list[float], log: LineLog
) -> dict[str, Any]:
    """Measure the overlap after and before registration on fixed scenes, and add a line to the log."""
    field = net.eval()(scenes.moving, scenes.fixed)
    net.train()
    moved = torch.stack([warped(a, u) for a, u in zip(scenes.moving_masks, field, strict=True)])
    row = {
        "step": step,
        "seconds": round(seconds, 1),
        "loss": sum(losses) / len(losses) if losses else math.nan,
        "dice": overlap(moved, scenes.fixed_masks).mean().item(),
        "start_dice": overlap(scenes.moving_masks, scenes.fixed_masks).mean().item(),
    }
    log.append(row)
    logger.info("%s", row)
    return row


def _grey(images: Tensor) -> Tensor:
    """One channel between two percentiles of each image, (B, 1, *shape) in [0, 1]."""
    grey = images.mean(1, keepdim=True)
    low, high = (torch.quantile(grey.flatten(1), q, dim=1) for q in (0.01, 0.99))
    ones = [1] * (grey.ndim - 1)
    return ((grey - low.view(-1, *ones)) / (high - low).clamp_min(1e-6).view(-1, *ones)).clamp(0, 1)


def _nearly_aligned(flow: Tensor, generator: torch.Generator) -> Tensor:
    """Where a small affine and then the affine part of a flow (*shape, ndim) send each cell."""
    shape, ndim = flow.shape[:-1], flow.shape[-1]
    cells = cell_indices(shape)
    middle = (torch.tensor(shape) - 1) / 2
    design = torch.cat([cells - middle, torch.ones_like(cells[..., :1])], -1).flatten(0, -2)
    solved = torch.linalg.lstsq(design, flow.flatten(0, -2)).solution
    lot = 2 * torch.rand(3 + ndim, generator=generator) - 1
    turn, scale = math.radians(TURN_DEG) * lot[0], math.log(SCALE) * lot[1]
    small = torch.eye(ndim)
    small[-2:, -2:] = torch.stack(
        [torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])]
    )
    shift = SHIFT * max(shape) * lot[3:]
    moved = (cells - middle) @ (small * scale.exp()).T + shift
    return torch.cat([moved, torch.ones_like(moved[..., :1])], -1) @ solved
