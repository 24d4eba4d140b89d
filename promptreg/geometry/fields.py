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
    displacement = resample(*_one_cell_wider(world, working), grid, padding="border").cpu()
    ddf = Ddf(displacement.float(), grid)
    return ddf if then is None else followed_by(ddf, then)


def followed_by(ddf: Ddf, matrix: np.ndarray) -> Ddf:
    """Return the canonical field of `ddf` and then the homogeneous world map `matrix`."""
    points = world_coordinates(ddf.grid, ddf.displacement.device).double()
    moved = apply_affine(matrix, points + ddf.displacement.movedim(0, -1).double())
    return Ddf((moved - points).movedim(-1, 0).float(), ddf.grid)


def _one_cell_wider(field: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    """Extrapolate `field` (C, *shape) linearly by one cell on every side.

    A finer grid over the same field of view reaches half a cell beyond the outermost cell centres.
    """
    for axis in range(1, field.ndim):
        n = field.shape[axis]
        first, second = field.narrow(axis, 0, 1), field.narrow(axis, min(1, n - 1), 1)
        last, before = field.narrow(axis, n - 1, 1), field.narrow(axis, max(n - 2, 0), 1)
        field = torch.cat([2 * first - second, field, 2 * last - before], dim=axis)
    shift = np.eye(grid.ndim + 1)
    shift[:-1, -1] = -1
    return field, Grid(tuple(field.shape[1:]), grid.affine @ shift, grid.unit)


def transform_points(ddf: Ddf, points: Tensor) -> Tensor:
    """Map fixed world points (N, ndim) to the moving world, (N, ndim).

    The displacement is interpolated linearly inside the grid; outside, that of the nearest edge holds.
    """
    index = world_to_index(ddf.grid, points)
    return points + sample(ddf.displacement.to(points), index, padding="border").T


def inverse_transform_points(
    ddf: Ddf, points: Tensor, *, iterations: int = 50, tolerance: float = 1e-4
) -> Tensor:
    """Map moving world points (N, ndim) to the fixed world, (N, ndim).

    Starts from the inverse of the field's affine part, then adds the residual of the forward map,
    carried back by that same affine, until it is below `tolerance` (world units): a quasi-Newton
    iteration that large rotations do not disturb.
    """
    affine = _affine_part(ddf)
    inverse = np.linalg.pinv(affine[:-1, :-1])
    back = torch.as_tensor(inverse, dtype=points.dtype, device=points.device)
    guess = (points - torch.as_tensor(affine[:-1, -1]).to(points)) @ back.T
    for _ in range(iterations):
        residual = points - transform_points(ddf, guess)
        guess = guess + residual @ back.T
        if residual.numel() == 0 or residual.abs().max() < tolerance:
            break
    return guess


def _affine_part(ddf: Ddf) -> np.ndarray:
    """Least-squares affine world map, fixed to moving, of at most about 20,000 cells."""
    step = max(round((np.prod(ddf.grid.shape) / 20_000) ** (1 / ddf.grid.ndim)), 1)
    every = tuple(slice(None, None, step if n > 4 * step else 1) for n in ddf.grid.shape)
    world = world_coordinates(ddf.grid)[every].double().reshape(-1, ddf.grid.ndim)
    shift = ddf.displacement[(slice(None), *every)].cpu().double().flatten(1).T
    center = world.mean(0)
    design = torch.cat([world - center, torch.ones(len(world), 1, dtype=torch.float64)], dim=1)
    slope = torch.linalg.pinv(design) @ shift
    affine = np.eye(ddf.grid.ndim + 1)
    affine[:-1, :-1] += slope[:-1].T.numpy()
    affine[:-1, -1] = (slope[-1] - slope[:-1].T @ center).numpy()
    return affine


def warp(
    data: Tensor, moving_grid: Grid, ddf: Ddf, *, mode: str = "bilinear", padding: str = "zeros"
) -> Tensor:
    """Pull `data` (C, *moving_grid.shape) onto the fixed grid in one sampling; (C, *ddf.grid.shape)."""
    world = world_coordinates(ddf.grid, ddf.displacement.device).double()
    moved = world + ddf.displacement.movedim(0, -1).double()
    return sample(data, world_to_index(moving_grid, moved), mode, padding)


def jacobian_determinant(ddf: Ddf) -> Tensor:
    """Return det(I + du/dp) in world coordinates at every cell, (*shape) float64.

    Central differences, one-sided at the edges; an axis of one cell has no gradient.
    """
    displacement = ddf.displacement.double()
    to_index = torch.as_tensor(np.linalg.inv(ddf.grid.affine[:-1, :-1])).to(displacement)
    gradients = torch.stack([_gradient(displacement, axis) for axis in range(1, displacement.ndim)])
    jacobian = torch.einsum("ai...,aj->ij...", gradients, to_index)
    for axis in range(ddf.grid.ndim):
        jacobian[axis, axis] += 1
    return _determinant(jacobian)


def _determinant(matrix: Tensor) -> Tensor:
    """Determinants of (n, n, ...) matrices, n = 2 or 3, in closed form: far faster than factorizing."""
    if len(matrix) == 2:
        return matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    first, second, third = matrix
    return (first * torch.linalg.cross(second, third, dim=0)).sum(0)


def _gradient(field: Tensor, axis: int) -> Tensor:
    """Derivative of `field` along one axis, per cell; zero along an axis of one cell."""
    return torch.gradient(field, dim=axis)[0] if field.shape[axis] > 1 else torch.zeros_like(field)


def exponentiate(velocity: Tensor, *, steps: int = 6) -> Tensor:
    """Integrate a stationary velocity field (ndim, *shape), voxel form, by scaling and squaring."""
    u = velocity / 2**steps
    base = cell_indices(velocity.shape[1:], velocity.device)
    for _ in range(steps):
        u = u + sample(u, base + u.movedim(0, -1), padding="border")
    return u
