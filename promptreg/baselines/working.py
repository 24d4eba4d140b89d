"""The working grid of networks: one shape for a data set, near-isotropic cells over each fixed image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from promptreg.baselines.handover import one_channel
from promptreg.geometry import antialiased, limited, resample, resized
from promptreg.types import Grid, Image, Pair

CELLS = {2: 256, 3: 160}
"""Cells along the longest side where the configuration names none."""

PERCENTILES = (1.0, 99.0)


def common_shape(grids: Iterable[Grid], cells: int, multiple: int) -> tuple[int, ...]:
    """Return the smallest shape of sides that are multiples into which every fixed image fits."""
    shapes = np.array([limited(grid, cells).shape for grid in grids])
    return tuple(int(n) for n in -(-shapes.max(0) // multiple) * multiple)


def working_grid(fixed: Grid, cells: int, shape: Sequence[int]) -> Grid:
    """Return a grid of `shape` about a fixed image, whose cells are those of at most `cells` along its side.

    An image with more cells than fit gets larger ones along that axis; a smaller one gets a margin.
    """
    inner = resized(fixed, np.minimum(limited(fixed, cells).shape, shape).tolist())
    margin = np.eye(fixed.ndim + 1)
    margin[:-1, -1] = -((np.array(shape) - inner.shape) // 2)
    return Grid(tuple(shape), inner.affine @ margin, fixed.unit)


def both_images(
    pair: Pair, working: Grid, *, padding: Literal["zeros", "border"] = "zeros"
) -> tuple[Tensor, Tensor]:
    """Return the moving image, pre-aligned, and the fixed one on a working grid, (1, *shape) in [0, 1].

    `padding` is what lies beyond an image's field of view: nothing, or its edge continued.
    """
    moving = _sampled(pair.moving, working, pair.prealignment, padding)
    return moving, _sampled(pair.fixed, working, np.eye(working.ndim + 1), padding)


def label_map(labels: Tensor, grid: Grid, working: Grid, start: np.ndarray) -> Tensor:
    """Return a label map (*grid.shape) on a working grid, (*shape); `start` maps fixed to its world."""
    found = resample(labels[None].float(), grid, working, transform=start, mode="nearest")[0]
    return found.round().to(torch.int32)


def _sampled(image: Image, working: Grid, start: np.ndarray, padding: Literal["zeros", "border"]) -> Tensor:
    """One grey channel between two percentiles, averaged over cells as large as the working ones."""
    grey = torch.from_numpy(one_channel(image.data))[None]
    low, high = np.percentile(grey.numpy(), PERCENTILES)
    grey = ((grey - low) / max(high - low, 1e-6)).clamp(0, 1)
    step = float(working.spacing.min())
    coarse = limited(image.grid, max(1, round(float(image.grid.extent.max()) / step)))
    return resample(antialiased(grey, image.grid, coarse), coarse, working, transform=start, padding=padding)
