"""Bring the moving region into the frame of the fixed region, so that their shapes can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import apply_affine, sample, world_coordinates, world_to_index
from promptreg.types import Grid

Alignment = Literal["none", "centroid", "similarity"]

ELONGATED = 1.2
"""Principal axes are matched only where their lengths differ by this factor in both regions."""


@dataclass(frozen=True, eq=False)
class Moments:
    """World centroids (B, ndim), covariances (B, ndim, ndim), and which regions exist, (B,) bool."""

    centroid: Tensor
    covariance: Tensor
    exists: Tensor


def moments(probabilities: Tensor, grid: Grid) -> Moments:
    """Return the first two moments of regions (B, *grid.shape), of their cells above one half."""
    weights = torch.where(probabilities > 0.5, probabilities, 0).flatten(1)
    total = weights.sum(1)
    weights = weights / total.clamp_min(torch.finfo(weights.dtype).tiny)[:, None]
    center = torch.as_tensor(grid.center).to(weights)
    cells = world_coordinates(grid, weights.device).to(weights).flatten(0, -2) - center
    mean = weights @ cells
    deviation = cells - mean[:, None]
    covariance = (weights[..., None] * deviation).transpose(1, 2) @ deviation
    return Moments(mean + center, covariance, total > 0)


def align_roi(
    moving: Tensor,
    moving_grid: Grid,
    fixed: Tensor,
    fixed_grid: Grid,
    *,
    how: Alignment,
    prealignment: np.ndarray,
) -> Tensor:
    """Resample moving regions (B, *moving_grid.shape) beside the fixed ones; (B, *fixed_grid.shape).

    `none` reads them through the pre-alignment alone. `centroid` keeps its linear part and moves each
    region's centroid onto the other's, so that a region in the wrong place goes unnoticed here (the
    cycle check sees it). `similarity` also matches size and principal axes; it hides a difference of
    size. Where either region is empty the pre-alignment alone is used.

    Args:
        moving, fixed: probabilities in [0, 1].
        prealignment: (ndim + 1, ndim + 1) homogeneous world map, fixed to moving.
    """
    cells = world_coordinates(fixed_grid, moving.device).to(moving).flatten(0, -2)
    linear = torch.as_tensor(prealignment[:-1, :-1]).to(moving).expand(len(moving), -1, -1)
    source = moments(moving, moving_grid)
    target = moments(fixed, fixed_grid)
    carried = apply_affine(prealignment, target.centroid)
    onto = source.centroid
    if how == "none":
        onto = carried
    elif how == "similarity":
        linear = _matched(source.covariance, linear @ target.covariance @ linear.mT) @ linear
    known = (source.exists & target.exists)[:, None]
    onto = torch.where(known, onto, carried)
    linear = torch.where(known[..., None], linear, torch.as_tensor(prealignment[:-1, :-1]).to(linear))
    points = (cells - target.centroid[:, None]) @ linear.mT + onto[:, None]
    index = world_to_index(moving_grid, points).reshape(len(moving), *fixed_grid.shape, -1)
    return torch.vmap(sample)(moving[:, None], index)[:, 0]


def _matched(moving: Tensor, fixed: Tensor) -> Tensor:
    """Similarity that takes an ellipsoid of covariance `fixed` onto one of `moving`, both (B, n, n).

    Of the rotations that match the principal axes the one nearest to none is taken; there is none
    where axes are too alike to tell apart.
    """
    identity = torch.eye(moving.shape[-1], dtype=moving.dtype, device=moving.device)
    tiny = torch.finfo(moving.dtype).tiny
    sizes, axes = zip(*(torch.linalg.eigh(c) for c in (moving, fixed)), strict=True)
    signs = (axes[0] * axes[1]).sum(-2).sign()
    signs = torch.where(signs == 0, 1, signs)
    rotation = (axes[0] * signs[:, None]) @ axes[1].mT
    lengths = torch.stack([s.clamp_min(tiny).sqrt() for s in sizes])
    distinct = (lengths[..., 1:] > ELONGATED * lengths[..., :-1]).all(-1).all(0)
    proper = torch.linalg.det(rotation) > 0
    rotation = torch.where((distinct & proper)[:, None, None], rotation, identity)
    scale = (sizes[0].sum(-1) / sizes[1].sum(-1).clamp_min(tiny)).sqrt()
    return torch.where(scale > 0, scale, 1)[:, None, None] * rotation
