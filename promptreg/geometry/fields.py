"""Dense displacement fields: voxel form for optimisation, canonical world form for everything else.

Voxel form: (ndim, *shape) in voxels of a working grid's index axes, pull-back,
moved(p) = moving(p + u(p)); this is the convention of `monai.networks.blocks.Warp`.
Canonical form: `promptreg.types.Ddf`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry.grids import (
    apply_affine,
    cell_indices,
    resample,
    sample,
    world_coordinates,
    world_to_index,
)
from promptreg.types import Ddf, Grid


def affine_to_ddf(matrix: np.ndarray, grid: Grid) -> Ddf:
    """Return the canonical field of a homogeneous world map, fixed to moving, on the fixed `grid`."""
    world = world_coordinates(grid).double()
    return Ddf((apply_affine(matrix, world) - world).movedim(-1, 0).float(), grid)


def voxel_to_ddf(voxel: Tensor, working: Grid, grid: Grid, *, then: np.ndarray | None = None) -> Ddf:
    """Turn a voxel-form field on a working grid into the canonical field on the fixed `grid`.

    The working grid covers the fixed image; `voxel` (ndim, *working.shape) maps its points to points of
    the pre-aligned world. `then` is the homogeneous world map applied afterwards (the pre-alignment,
    fixed to moving).
    """
    linear = torch.as_tensor(working.affine[:-1, :-1], dtype=voxel.dtype, device=voxel.device)
    world = torch.einsum("ij,j...->i...", linear, voxel)
    displacement = resample(world, working, grid, padding="border").cpu()
    points = world_coordinates(grid).double()
    moved = points + displacement.movedim(0, -1).double()
    if then is not None:
        moved = apply_affine(then, moved)
    return Ddf((moved - points).movedim(-1, 0).float(), grid)


def transform_points(ddf: Ddf, points: Tensor) -> Tensor:
    """Map fixed world points (N, ndim) to the moving world, (N, ndim); linear inside, nearest edge outside."""
    index = world_to_index(ddf.grid, points)
    return points + sample(ddf.displacement.to(points.dtype), index, padding="border").T


def inverse_transform_points(ddf: Ddf, points: Tensor, *, iterations: int = 50, tolerance: float = 1e-4) -> Tensor:
    """Map moving world points (N, ndim) to the fixed world by fixed-point iteration; (N, ndim).

    Starts from the field's mean translation; each step adds the residual of the forward map.
    """
    guess = points - ddf.displacement.flatten(1).mean(1).to(points)
    for _ in range(iterations):
        residual = points - transform_points(ddf, guess)
        guess = guess + residual
        if residual.abs().max() < tolerance:
            break
    return guess


def warp(data: Tensor, moving_grid: Grid, ddf: Ddf, *, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Pull `data` (C, *moving_grid.shape) onto the fixed grid through the canonical field, in one sampling."""
    moved = world_coordinates(ddf.grid).double() + ddf.displacement.movedim(0, -1).double()
    return sample(data, world_to_index(moving_grid, moved).float(), mode, padding)


def jacobian_determinant(ddf: Ddf) -> Tensor:
    """Return det(I + du/dp) in world coordinates at every cell, (*shape); central differences, one-sided at edges."""
    linear = torch.as_tensor(np.linalg.inv(ddf.grid.affine[:-1, :-1]), dtype=torch.float64)
    displacement = ddf.displacement.double()
    rows = []
    for component in displacement:
        gradient = torch.gradient(component) if min(component.shape) > 1 else _thin_gradient(component)
        rows.append(torch.einsum("a...,aj->j...", torch.stack(list(gradient)), linear))
    jacobian = torch.stack(rows).movedim((0, 1), (-2, -1))
    return torch.linalg.det(jacobian + torch.eye(ddf.grid.ndim, dtype=torch.float64))


def _thin_gradient(component: Tensor) -> list[Tensor]:
    """Gradient along every axis, zero along an axis of one cell."""
    return [
        torch.gradient(component, dim=axis)[0] if n > 1 else torch.zeros_like(component)
        for axis, n in enumerate(component.shape)
    ]


def exponentiate(velocity: Tensor, *, steps: int = 6) -> Tensor:
    """Integrate a stationary velocity field (ndim, *shape), voxel form, by scaling and squaring."""
    u = velocity / 2**steps
    base = cell_indices(velocity.shape[1:], velocity.device)
    for _ in range(steps):
        u = u + sample(u, base + u.movedim(0, -1), padding="border")
    return u
