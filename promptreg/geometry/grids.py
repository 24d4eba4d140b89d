"""Grids and what is done on them: index and world coordinates, resampling, affine maps.

All interpolation follows one rule: integers are cell centres (`align_corners=True` of
`grid_sample`), in index coordinates of the array that is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from promptreg.types import Grid


def default_affine(ndim: int, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Return the (ndim + 1, ndim + 1) affine of an axis-aligned grid at the origin.

    `spacing` (ndim,) is given in array order ((z,) y, x); one if absent.
    """
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = np.diag(np.ones(ndim) if spacing is None else np.asarray(spacing, float))[::-1]
    return affine


def index_to_world(grid: Grid, index: Tensor) -> Tensor:
    """Map index coordinates (..., ndim) in array order to world coordinates (..., ndim) x, y(, z)."""
    return apply_affine(grid.affine, index)


def world_to_index(grid: Grid, world: Tensor) -> Tensor:
    """Map world coordinates (..., ndim) x, y(, z) to index coordinates (..., ndim) in array order."""
    return apply_affine(np.linalg.inv(grid.affine), world)


def apply_affine(affine: np.ndarray, points: Tensor) -> Tensor:
    """Apply a homogeneous (n + 1, n + 1) map to points (..., n), differentiably."""
    matrix = torch.as_tensor(affine, dtype=torch.float64, device="cpu")
    linear = matrix[:-1, :-1].to(points)
    return points @ linear.T + matrix[:-1, -1].to(points)


def cell_indices(shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return the index coordinates of every cell, (*shape, ndim) float32 in array order."""
    axes = [torch.arange(n, dtype=torch.float32, device=device) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def world_coordinates(grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """Return the world coordinates of every cell, (*shape, ndim) float32, components x, y(, z)."""
    return index_to_world(grid, cell_indices(grid.shape, device))


def sample(data: Tensor, index: Tensor, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Read `data` (C, *spatial) at index coordinates (*out, ndim); returns (C, *out).

    `mode` is "bilinear" (linear in every dimension) or "nearest"; `padding` is "zeros" or "border".
    """
    ndim = data.ndim - 1
    scale = torch.tensor([max(n - 1, 1) for n in data.shape[1:]], dtype=data.dtype, device=data.device)
    normalized = (index.to(data) / scale * 2 - 1).flip(-1)
    out_shape = index.shape[:-1]
    flat = normalized.reshape(1, -1, *([1] * (ndim - 1)), ndim)
    values = F.grid_sample(data[None], flat, mode=mode, padding_mode=padding, align_corners=True)
    return values.reshape(data.shape[0], *out_shape)


def resample(
    data: Tensor,
    source: Grid,
    target: Grid,
    *,
    transform: np.ndarray | None = None,
    mode: str = "bilinear",
    padding: str = "zeros",
) -> Tensor:
    """Read `data` (C, *source.shape) on the cells of `target`; returns (C, *target.shape).

    `transform` is a homogeneous world map, target to source (identity if absent).
    """
    to_source = np.linalg.inv(source.affine) @ (np.eye(target.ndim + 1) if transform is None else transform)
    index = apply_affine(to_source @ target.affine, cell_indices(target.shape, data.device))
    return sample(data, index, mode, padding)


def visibility(source: Grid, target: Grid, device: torch.device | str = "cpu") -> Tensor:
    """Return (*target.shape) bool: which cells of `target` lie inside the field of view of `source`."""
    index = apply_affine(np.linalg.inv(source.affine) @ target.affine, cell_indices(target.shape, device))
    upper = torch.tensor(source.shape, dtype=index.dtype, device=device) - 0.5
    return ((index >= -0.5) & (index <= upper)).all(-1)


def resized(grid: Grid, shape: Sequence[int]) -> Grid:
    """Return a grid of `shape` cells over the same field of view (outer edges coincide)."""
    factor = np.asarray(grid.shape, float) / np.asarray(shape, float)
    to_old = np.eye(grid.ndim + 1)
    to_old[:-1, :-1] = np.diag(factor)
    to_old[:-1, -1] = (factor - 1) / 2
    return Grid(tuple(int(n) for n in shape), grid.affine @ to_old, grid.unit)


def limited(grid: Grid, max_cells: int) -> Grid:
    """Return a grid over the same field of view, nearly isotropic, with at most `max_cells` along an axis.

    An axis is only ever coarsened: a thick-slice axis keeps its slices.
    """
    step = max(grid.extent.max() / max_cells, grid.spacing.min())
    shape = np.minimum(np.asarray(grid.shape), np.maximum(np.round(grid.extent / step), 1)).astype(int)
    return resized(grid, shape.tolist())


def antialiased(data: Tensor, source: Grid, target: Grid) -> Tensor:
    """Resample onto a coarser grid over the same field of view by area averaging; (C, *target.shape)."""
    if source.shape == target.shape:
        return data
    mode = "area"
    coarse = F.interpolate(data[None], size=target.shape, mode=mode)[0]
    return coarse
