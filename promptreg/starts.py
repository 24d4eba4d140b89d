"""Where the search for a corresponding prompt starts: peaks of similarity maps on the fixed image.

The similarity S to the moving region's prototype is a map of its class: it is highest where a feature
is most like the region's average, not at the same anatomical point. The local similarity L to the
feature under the moving prompt is sharp but knows nothing of the region. Their product keeps both.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, max_pool3d

from promptreg.geometry import cell_indices, index_to_world, world_coordinates
from promptreg.types import Grid

FLOOR = 1e-6


def start_map(
    similarity: Tensor,
    local: Tensor,
    how: Literal["same", "similarity", "local", "gated"],
    prior: Tensor | None = None,
) -> Tensor:
    """Combine similarities into a non-negative map whose peaks are candidate prompts, (B, *cells).

    `similarity` is S and `local` is L, both (B, *cells) in [-1, 1]; `gated` is max(0, S) max(0, L).
    `prior` (B, *cells) in [0, 1] multiplies the map, and decides alone where nothing is similar.

    Raises:
        ValueError: for `how` without a map; `same` starts at the same coordinate, see `start_points`.
    """
    maps = {"similarity": similarity, "local": local, "gated": similarity.clamp_min(0) * local.clamp_min(0)}
    if how not in maps:
        msg = f"search.start '{how}' has no start map: expected one of {', '.join(maps)}"
        raise ValueError(msg)
    chosen = maps[how].clamp_min(0)
    return chosen if prior is None else (chosen + FLOOR) * prior


def gaussian_prior(feature_grid: Grid, centers: Tensor, sigma: float) -> Tensor:
    """Return exp(-d² / 2 sigma²) round world points (B, ndim), (B, *cells); `sigma` in world units."""
    cells = world_coordinates(feature_grid, centers.device).to(centers).flatten(0, -2)
    squared = torch.cdist(centers, cells).square()
    return torch.exp(-squared / (2 * sigma**2)).reshape(len(centers), *feature_grid.shape)


def peaks(maps: Tensor, feature_grid: Grid, n: int, *, radius_cells: int = 2) -> Tensor:
    """Return the n highest separate maxima of every map (B, *cells) as world points, (B, n, ndim).

    A maximum is a cell that no other exceeds within `radius_cells` cells of the finest axis (coarser
    axes count fewer, so that the neighbourhood is physically isotropic). Points are cell centres, with
    no refinement: an image searched in itself returns a prompt on a cell centre exactly. Where a map
    has fewer than n maxima the highest is repeated.
    """
    ndim = feature_grid.ndim
    finest = feature_grid.spacing.min()
    radius = [int(np.floor(radius_cells * finest / spacing + 0.5)) for spacing in feature_grid.spacing]
    pool = max_pool2d if ndim == 2 else max_pool3d
    highest = pool(maps[:, None], [2 * r + 1 for r in radius], stride=1, padding=radius)[:, 0]
    maxima = torch.where(maps == highest, maps, -torch.inf).flatten(1)
    n_found = min(n, maxima.shape[1])
    values, cells = maxima.topk(n_found, dim=1)
    cells = torch.where(values == -torch.inf, cells[:, :1], cells)
    cells = torch.cat([cells, cells[:, :1].expand(-1, n - n_found)], dim=1)
    indices = cell_indices(feature_grid.shape, maps.device).flatten(0, -2)[cells]
    return index_to_world(feature_grid, indices.to(maps.dtype))


def start_points(
    similarity: Tensor,
    local: Tensor,
    labels: Tensor,
    feature_grid: Grid,
    *,
    how: Literal["same", "similarity", "local", "gated"],
    n_starts: int,
    mapped: Tensor,
    prior: Tensor | None = None,
    radius_cells: int = 2,
) -> Tensor:
    """Return the start points of B prompts of P points each, world, (B, n, P, ndim).

    Every point has its own map; the i-th start takes the i-th peak of each. With `gated` and more than
    one start the last is the peak of the local map alone. A negative point lies outside the region, so
    its map is the local one. `same` returns `mapped` as the only start.

    Args:
        similarity: (B, *cells), S of each prompt's region.
        local: (B, P, *cells), L of each point.
        labels: (B, P), 1 positive, 0 negative, -1 padding.
        mapped: (B, P, ndim) world points of the prompts carried over by the pre-alignment or a prior.
        prior: (B, P, *cells) or absent.
    """
    if how == "same":
        return mapped[:, None]
    n_prompts, n_points = labels.shape
    flat_local = local.flatten(0, 1)
    flat_prior = None if prior is None else prior.flatten(0, 1)
    region = similarity[:, None].expand_as(local).flatten(0, 1)
    maps = start_map(region, flat_local, how, flat_prior)
    local_maps = start_map(region, flat_local, "local", flat_prior)
    positive = (labels == 1).flatten().reshape(-1, *[1] * feature_grid.ndim)
    found = peaks(
        torch.where(positive, maps, local_maps), feature_grid, n=n_starts, radius_cells=radius_cells
    )
    if how == "gated" and n_starts > 1:
        found[:, -1:] = peaks(local_maps, feature_grid, n=1, radius_cells=radius_cells)
    return found.reshape(n_prompts, n_points, n_starts, -1).transpose(1, 2)
