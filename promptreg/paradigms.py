"""Regions of other paradigms for the prompts of one pair: what a figure lays side by side.

A region of the moving image is looked for on the fixed one by a search with the same prompt, carried there
by the field of any method, or given by the label that the prompt lies in.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from promptreg.correspond import Correspondences
from promptreg.figures.paradigms import Regions
from promptreg.geometry import warp, world_to_index
from promptreg.types import Ddf, Grid, Pair

MOST_ROWS = 3
SAME = 1e-6
"""Two prompts closer than this, in the unit of the world, are one."""


def rows_of(found: Correspondences, grid: Grid, labels: np.ndarray | None) -> list[int]:
    """Numbers of the prompts that are shown: accepted ones, those in a structure of `labels` first.

    `labels` (*grid.shape) is the moving label map. Where none is accepted all prompts count.
    """
    accepted = [k for k, reason in enumerate(found.reasons) if not reason]
    rows = accepted or list(range(len(found.reasons)))
    if labels is not None:
        named = _labels_at(found.prompts.points[:, 0], grid, labels)
        rows = sorted(rows, key=lambda row: named[row] == 0)
    return rows[:MOST_ROWS]


def target_regions(found: Correspondences, rows: list[int]) -> Regions:
    """The regions of the prompts on the moving image."""
    points = found.prompts.points[rows, 0]
    return Regions(
        "moving: prompt and region", found.rois.moving[rows], found.rois.moving_grid, points, _all(rows)
    )


def searched_regions(title: str, found: Correspondences, target: Regions) -> Regions:
    """What a search found for the prompts of `target`; its doubts stay its own, the region is shown."""
    assert target.points is not None
    distance = torch.cdist(target.points.double(), found.prompts.points[:, 0].double())
    nearest = distance.argmin(1)
    reasons = tuple(
        "" if same else "this prompt was not given" for same in (distance.amin(1) < SAME).tolist()
    )
    points = found.points[nearest, 0]
    return Regions(title, found.rois.fixed[nearest], found.rois.fixed_grid, points, reasons)


def carried_regions(title: str, field: Ddf | str, target: Regions, grid: Grid) -> Regions:
    """The regions of `target` as a method's field carries them, or why it has no field."""
    if isinstance(field, str):
        n = len(target.masks)
        return Regions(title, torch.zeros(n, *grid.shape), grid, None, (field,) * n)
    masks = warp(target.masks.float(), target.grid, field)
    return Regions(title, masks, field.grid, None, ("",) * len(masks))


def labelled_regions(
    title: str, pair: Pair, moving: np.ndarray, fixed: np.ndarray, target: Regions
) -> Regions:
    """The structure of the fixed label map that has the label under each prompt of the moving one."""
    assert target.points is not None
    values = _labels_at(target.points, pair.moving.grid, moving)
    masks = torch.from_numpy(np.stack([(fixed == value) & (value > 0) for value in values])).float()
    reasons = tuple(
        "the prompt lies in no labelled structure" if value == 0
        else "" if mask.any() else "no such label on the fixed image"
        for value, mask in zip(values, masks, strict=True)
    )  # fmt: skip
    return Regions(title, masks, pair.fixed.grid, None, reasons)


def _labels_at(points: Tensor, grid: Grid, labels: np.ndarray) -> np.ndarray:
    """Labels (*grid.shape) under world points (K, ndim): (K,)."""
    index = world_to_index(grid, points.double()).round().long().numpy()
    return labels[tuple(np.clip(index, 0, np.array(labels.shape) - 1).T)]


def _all(rows: list[int]) -> tuple[str, ...]:
    return ("",) * len(rows)
