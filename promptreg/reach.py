"""How far one region reaches beyond another, and points in the part that does (Eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import index_to_world, world_to_index
from promptreg.types import Grid


@dataclass(frozen=True, eq=False)
class Reach:
    """The directed distance of regions A to regions B: sup over a in A of dist(a, B).

    Attributes:
        distance: (B,) in world units; 0 where A lies within B, infinite where only B is empty.
        point: (B, ndim) world, the cell of A where it is attained; NaN where the distance is 0.
        nearest: (B, ndim) world, the cell of B nearest to it; NaN where there is none.
    """

    distance: Tensor
    point: Tensor
    nearest: Tensor


def directed_distances(reference: Tensor, region: Tensor, grid: Grid) -> tuple[Reach, Reach]:
    """Return how far `reference` R^x reaches beyond `region` R^y, and R^y beyond R^x.

    The regions are filled sets, not contours: a region within the other is at distance 0 from it, and
    a hole counts as missed. Both are (B, *grid.shape) bool.
    """
    return reach(reference, region, grid), reach(region, reference, grid)


def reach(region: Tensor, other: Tensor, grid: Grid) -> Reach:
    """Return the directed distance of every region to the other, both (B, *grid.shape) bool."""
    pairs = zip(region.cpu().numpy(), other.cpu().numpy(), strict=True)
    rows = [_farthest(mask, against, grid.spacing) for mask, against in pairs]
    distance, point, nearest = (np.stack(column) for column in zip(*rows, strict=True))
    return Reach(
        torch.as_tensor(distance, dtype=torch.float32, device=region.device),
        index_to_world(grid, torch.as_tensor(point, dtype=torch.float32, device=region.device)),
        index_to_world(grid, torch.as_tensor(nearest, dtype=torch.float32, device=region.device)),
    )


def _farthest(
    mask: np.ndarray, other: np.ndarray, spacing: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Distance, cell of `mask` and nearest cell of `other`, by a distance transform round both."""
    nowhere = np.full(mask.ndim, np.nan)
    beyond = mask & ~other
    if not beyond.any():
        return 0.0, nowhere, nowhere
    if not other.any():
        return np.inf, deepest(mask, spacing), nowhere
    box = ndimage.find_objects((mask | other).astype(np.uint8))[0]
    corner = np.array([part.start for part in box])
    distance, nearest = ndimage.distance_transform_edt(~other[box], sampling=spacing, return_indices=True)
    cell = np.unravel_index(np.argmax(np.where(beyond[box], distance, 0)), distance.shape)
    return float(distance[cell]), np.array(cell) + corner, nearest[(slice(None), *cell)] + corner


def deepest(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return the cell of a mask (*shape) that is furthest from its outside, array order, (ndim,)."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)
    return np.array(np.unravel_index(depth.argmax(), depth.shape)) - 1


def place_points(region: Tensor, other: Tensor, found: Reach, grid: Grid, *, step: float) -> Tensor:
    """Return a point in `region` but not in `other` for every item that reaches beyond, (B, ndim) world.

    A unit step of length `step` (epsilon, world units) from where the distance is attained towards the
    nearest cell of `other`, which leads into the region: x* - eps (x* - y*) / ‖x* - y*‖. The step is
    halved twice where it leaves the part that reaches beyond; failing that, the point is the deepest
    cell of that part's component. NaN where the region lies within the other.

    Args:
        region, other: (B, *grid.shape) bool.
        found: `reach(region, other, grid)`.
    """
    beyond = region & ~other
    offset = found.point - found.nearest
    direction = offset / offset.norm(dim=1, keepdim=True)
    placed = torch.full_like(found.point, torch.nan)
    for factor in (0.25, 0.5, 1.0):
        trial = found.point - factor * step * direction
        placed = torch.where(covers(beyond, trial, grid)[:, None], trial, placed)
    lost = (placed.isnan().any(1) & (found.distance > 0)).nonzero().flatten().tolist()
    for item in lost:
        components, _ = ndimage.label(beyond[item].cpu().numpy())
        start = tuple(world_to_index(grid, found.point[item]).round().long().tolist())
        cell = deepest(components == components[start], grid.spacing)
        placed[item] = index_to_world(grid, torch.as_tensor(cell, dtype=placed.dtype)).to(placed)
    return placed


def covers(masks: Tensor, points: Tensor, grid: Grid) -> Tensor:
    """Say whether masks (B, *grid.shape) bool hold world points (B, ndim) in their nearest cells, (B,)."""
    index = world_to_index(grid, points)
    upper = torch.tensor(grid.shape, device=points.device) - 1
    cells = index.nan_to_num(-1).round().long()
    inside = ((cells >= 0) & (cells <= upper)).all(1)
    cells = cells.clamp_min(0).minimum(upper)
    return inside & masks[torch.arange(len(masks), device=masks.device), *cells.unbind(1)]
