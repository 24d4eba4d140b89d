"""The regions and intensities of a pair at one resolution, and how they look through a deformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from promptreg.fit_losses import SDF_BAND, normalized_intensity, signed_distances
from promptreg.geometry import antialiased, apply_affine, cell_indices, limited, resample, sample
from promptreg.types import Grid, Image, Pair, RoiPairs


@dataclass(frozen=True, eq=False)
class Layers:
    """C layers to be matched: `fixed` (C, *grid.shape) on the level's grid, `moving` on a grid of its own.

    `padding` is what the moving layers are beyond their field of view: "zeros" or "border".
    """

    grid: Grid
    fixed: Tensor
    moving: Tensor
    moving_grid: Grid
    padding: Literal["zeros", "border"]

    def moved(self, start: np.ndarray, displacement: Tensor | None = None) -> Tensor:
        """Pull the moving layers through a displacement (voxel form), then `start`; (C, *grid.shape).

        `start` is a homogeneous world map, fixed to moving. Sampled once, from the moving layers' own grid.
        """
        return sample(self.moving, self._index(start, displacement), padding=self.padding)

    def overlap(self, start: np.ndarray) -> Tensor:
        """Return (*grid.shape) bool: the cells that `start` sends into the moving field of view."""
        index = self._index(start, None)
        upper = torch.tensor(self.moving_grid.shape, device=index.device) - 0.5
        return ((index >= -0.5) & (index <= upper)).all(-1)

    def _index(self, start: np.ndarray, displacement: Tensor | None) -> Tensor:
        cells = cell_indices(self.grid.shape, self.fixed.device)
        if displacement is not None:
            cells = cells + displacement.movedim(0, -1)
        return apply_affine(np.linalg.inv(self.moving_grid.affine) @ start @ self.grid.affine, cells)


def pyramid(grid: Grid, *, max_cells: int, levels: int) -> list[Grid]:
    """Return grids over one field of view, finest first, each twice as coarse down to 8 cells."""
    finest = limited(grid, max_cells)
    longest = round(float(finest.extent.max() / finest.spacing.min()))
    return [finest, *(limited(grid, max(8, longest >> level)) for level in range(1, levels))]


def mask_layers(rois: RoiPairs, grid: Grid) -> Layers:
    """Return the regions' probabilities at the resolution of `grid`, averaged over its cells."""
    step = float(grid.spacing.min())
    fixed, fixed_grid = _coarsened(rois.fixed, rois.fixed_grid, step)
    moving, moving_grid = _coarsened(rois.moving, rois.moving_grid, step)
    return Layers(grid, resample(fixed, fixed_grid, grid), moving, moving_grid, "zeros")


def distance_layers(rois: RoiPairs, grid: Grid) -> Layers:
    """Return the regions' clipped signed distances at the resolution of `grid`."""
    masks = mask_layers(rois, grid)
    reach = SDF_BAND * float(grid.extent.max())
    fixed = signed_distances(masks.fixed, grid.spacing, reach)
    moving = signed_distances(masks.moving, masks.moving_grid.spacing, reach)
    return Layers(grid, fixed, moving, masks.moving_grid, "border")


def image_layers(pair: Pair, grid: Grid, device: torch.device | str) -> Layers:
    """Return the pair's normalized grey values at the resolution of `grid`; one layer."""
    step = float(grid.spacing.min())
    fixed, fixed_grid = _coarsened(_grey(pair.fixed, device), pair.fixed.grid, step)
    moving, moving_grid = _coarsened(_grey(pair.moving, device), pair.moving.grid, step)
    return Layers(grid, resample(fixed, fixed_grid, grid, padding="border"), moving, moving_grid, "border")


def _grey(image: Image, device: torch.device | str) -> Tensor:
    return normalized_intensity(image.data.to(device))[None]


def _coarsened(data: Tensor, grid: Grid, step: float) -> tuple[Tensor, Grid]:
    """Average data (C, *grid.shape) over cells of about `step`; a coarser axis keeps its cells."""
    target = limited(grid, max(1, round(float(grid.extent.max()) / step)))
    return antialiased(data, grid, target), target
