"""Regions of other paradigms for the prompts of one pair: what a figure lays side by side.

A region of the moving image is looked for on the fixed one by a search with the same prompt, carried there
by the field of any method, or given by the label that the prompt lies in.
"""

from __future__ import annotations

import numpy as np
import torch

from promptreg.correspond import Correspondences
from promptreg.figures.paradigms import Regions
from promptreg.geometry import warp, world_to_index
from promptreg.types import Ddf, Grid, Pair

MOST_ROWS = 3
SAME = 1e-6
"""Two prompts closer than this, in the unit of the world, are one."""


def rows_of(found: Correspondences) -> list[int]:
    """Numbers of the prompts that are shown: the first accepted ones, or the first if there are none."""
    accepted = [k for k, reason in enumerate(found.reasons) if not reason]
    return (accepted or list(range(len(found.reasons))))[:MOST_ROWS]


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
    index = world_to_index(pair.moving.grid, target.points.double()).round().long().numpy()
    cells = tuple(np.clip(index, 0, np.array(moving.shape) - 1).T)
    values = moving[cells]
    masks = torch.from_numpy(np.stack([(fixed == value) & (value > 0) for value in values])).float()
    reasons = tuple(
        "the prompt lies in no labelled structure" if value == 0
        else "" if mask.any() else "no such label on the fixed image"
        for value, mask in zip(values, masks, strict=True)
    )  # fmt: skip
    return Regions(title, masks, pair.fixed.grid, None, reasons)


def _all(rows: list[int]) -> tuple[str, ...]:
    return ("",) * len(rows)
