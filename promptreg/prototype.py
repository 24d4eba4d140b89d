"""Prototypes of regions and their cosine similarity to every feature cell, with closed-form derivatives.

A prototype is the mean feature of a soft region, G = sum_i m_i F_i / sum_i m_i, over the n cells of a
feature grid (Sec. 3.1 of the paper). All functions are pure, batched over prompts and differentiable.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn.functional import normalize

from promptreg.geometry import antialiased, resample, resized, visibility, world_to_index
from promptreg.geometry import sample as sample_at
from promptreg.types import Grid

EPSILON = 1e-12


def cell_weights(probabilities: Tensor, mask_grid: Grid, feature_grid: Grid) -> Tensor:
    """Return the share of every feature cell that soft masks cover.

    The mean of the mask over each cell, exact when the grids share their field of view. Otherwise the
    mask is read through world coordinates on a subdivision of the cells no coarser than its own grid;
    what lies outside the mask's field of view counts as not covered.

    Args:
        probabilities: (B, *mask_grid.shape) in [0, 1].

    Returns:
        (B, *feature_grid.shape); linear in the probabilities.
    """
    if _same_view(mask_grid, feature_grid):
        return antialiased(probabilities, mask_grid, feature_grid)
    parts = np.maximum(np.ceil(feature_grid.spacing.min() / mask_grid.spacing.min() - 1e-6), 1)
    subdivided = resized(feature_grid, [int(n * parts) for n in feature_grid.shape])
    fine = resample(probabilities, mask_grid, subdivided, padding="border")
    fine = fine * visibility(mask_grid, subdivided, probabilities.device)
    return antialiased(fine, subdivided, feature_grid)


def _same_view(mask_grid: Grid, feature_grid: Grid) -> bool:
    """Say whether two grids cover the same box of the world with the same axes, to 1e-3 of a cell."""
    expected = resized(mask_grid, feature_grid.shape).affine
    return bool(np.abs(expected - feature_grid.affine).max() < 1e-3 * feature_grid.spacing.min())


def prototype(features: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean feature G of every region, (B, C); zero where a region has no weight.

    `features` (C, *cells), `weights` (B, *cells) non-negative.
    """
    flat = weights.flatten(1)
    return flat @ features.flatten(1).T / flat.sum(1, keepdim=True).clamp_min(EPSILON)


def similarity(features: Tensor, prototypes: Tensor) -> Tensor:
    """Return S, the cosine of every cell's feature to every prototype, (B, *cells) in [-1, 1].

    `features` (C, *cells), `prototypes` (B, C). Positive factors on cells or prototypes change nothing.
    """
    values = normalize(prototypes, dim=1) @ normalize(features.flatten(1), dim=0)
    return values.reshape(len(prototypes), *features.shape[1:])


def feature_at(features: Tensor, feature_grid: Grid, points: Tensor) -> Tensor:
    """Read features (C, *cells) linearly at world points (*batch, ndim); returns (*batch, C)."""
    index = world_to_index(feature_grid, points)
    return sample_at(features, index, padding="border").movedim(0, -1)


def gram(features: Tensor) -> Tensor:
    """Return M = sum_i F̂_i F̂_iᵀ over the unit features of all cells, (C, C).

    With it, sums over all cells of squared similarity differences are quadratic forms in C numbers:
    ‖S(G) - S(H)‖² = (Ĝ - Ĥ)ᵀ M (Ĝ - Ĥ).
    """
    unit = normalize(features.flatten(1), dim=0)
    return unit @ unit.T


def prototype_jacobian(features: Tensor, weights: Tensor, dweights: Tensor) -> Tensor:
    """Return J = ∂G/∂Z = sum_i (F_i - G) (∂m_i/∂Z)ᵀ / sum_i m_i, (B, C, d).

    Args:
        features: (C, *cells).
        weights: (B, *cells), the m_i.
        dweights: (B, d, *cells), their derivatives along d coordinates of the prompt.
    """
    flat, dflat = weights.flatten(1), dweights.flatten(2)
    mean = prototype(features, weights)
    along = dflat @ features.flatten(1).T - dflat.sum(2, keepdim=True) * mean[:, None]
    total = flat.sum(1).clamp_min(EPSILON)
    return (along / total[:, None, None]).transpose(1, 2)


def similarity_jacobian(features: Tensor, prototypes: Tensor) -> Tensor:
    """Return ∂S_i/∂G = (F̂_i - S_i Ĝ) / ‖G‖ at every cell, (B, n, C); its product with G is zero.

    `features` (C, *cells), `prototypes` (B, C). Large: meant for small grids and for checks; the
    solvers use `gram` instead.
    """
    unit = normalize(features.flatten(1), dim=0).T
    direction = normalize(prototypes, dim=1)
    values = direction @ unit.T
    tangent = unit - values[..., None] * direction[:, None]
    return tangent / prototypes.norm(dim=1).clamp_min(EPSILON)[:, None, None]


def tangent_jacobian(jacobian: Tensor, prototypes: Tensor) -> Tensor:
    """Return the derivative of the unit prototype, P J / ‖G‖ with P = I - Ĝ Ĝᵀ, (B, C, d).

    `jacobian` (B, C, d) is J = ∂G/∂Z, `prototypes` (B, C).
    """
    direction = normalize(prototypes, dim=1)[..., None]
    tangent = jacobian - direction * (direction * jacobian).sum(1, keepdim=True)
    return tangent / prototypes.norm(dim=1).clamp_min(EPSILON)[:, None, None]
