"""Pairs to train a registration network on, resampled once onto its working grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.baselines.working import both_images, label_map, working_grid
from promptreg.types import Pair

LEAST_CELLS = 8
"""Labels of fewer cells than this in either image are not compared."""


@dataclass(frozen=True, eq=False)
class Example:
    """A pair on its working grid.

    Attributes:
        moving, fixed: (1, *shape) float32 in [0, 1], the moving image pre-aligned.
        moving_labels, fixed_labels: (*shape) int32, or None.
    """

    moving: Tensor
    fixed: Tensor
    moving_labels: Tensor | None
    fixed_labels: Tensor | None
    name: str

    def common_labels(self) -> list[int]:
        """Return the labels, above zero, that both images show."""
        if self.moving_labels is None or self.fixed_labels is None:
            return []
        shown = [set(_shown(labels)) for labels in (self.moving_labels, self.fixed_labels)]
        return sorted(shown[0] & shown[1])

    def masks(self, label: int) -> tuple[Tensor, Tensor]:
        """Return both masks (1, *shape) float32 of a label."""
        assert self.moving_labels is not None
        assert self.fixed_labels is not None
        return (self.moving_labels == label).float()[None], (self.fixed_labels == label).float()[None]

    def to(self, device: torch.device) -> Example:
        """Return the same example on a device."""
        maps = [one if one is None else one.to(device) for one in (self.moving_labels, self.fixed_labels)]
        return Example(self.moving.to(device), self.fixed.to(device), maps[0], maps[1], self.name)


def example(
    pair: Pair,
    cells: int,
    shape: tuple[int, ...],
    moving_labels: np.ndarray | None = None,
    fixed_labels: np.ndarray | None = None,
) -> Example:
    """Resample a pair, and its label maps on the images' own grids, where there are such."""
    working = working_grid(pair.fixed.grid, cells, shape)
    sides = (
        (moving_labels, pair.moving.grid, pair.prealignment),
        (fixed_labels, pair.fixed.grid, np.eye(working.ndim + 1)),
    )
    maps = [
        None if labels is None else label_map(torch.from_numpy(labels), grid, working, start)
        for labels, grid, start in sides
    ]
    moving, fixed = both_images(pair, working)
    return Example(moving, fixed, maps[0], maps[1], pair.name)


def _shown(labels: Tensor) -> tuple[int, ...]:
    values, counts = labels[labels > 0].unique(return_counts=True)
    return tuple(values[counts >= LEAST_CELLS].tolist())
