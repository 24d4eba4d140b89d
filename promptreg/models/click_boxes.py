"""A box from a click, for models that were trained on boxes: as wide as the region that is like the click.

Training-free and without a draw of chance. A cell belongs to the region as far as its likeness to the
clicked place is nearer to that place's own than to the average about it; a Gaussian window keeps the
region near the click. The box reaches two standard deviations of the region to either side, where an
ellipse of that spread ends (a rectangle gets a margin of 15 %; boxes in training have margins, too).
Everything is a smooth function of the click.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

REACH = 1 / 8
"""Standard deviation of the window, as a share of the side: where all is alike, a box has half a side."""

STEEPNESS = 16.0
"""How sharply cells are told apart: a cell that is like the average counts 0.03 % of one like the click."""


def box_of_clicks(features: Tensor, points: Tensor) -> Tensor:
    """Return the smallest box (B, 2, 2) about the boxes of each prompt's clicks.

    Args:
        features: (C, Y, X) of one image.
        points: (B, P, 2) positive clicks, y, x in cells of `features`, integers at cell centres.

    Returns:
        The corners with the lowest and the highest y, x, in cells as well; they may lie outside the image.
    """
    n_prompts, n_points = points.shape[:2]
    boxes = _box_of_click(features, points.flatten(0, 1)).reshape(n_prompts, n_points, 2, 2)
    return torch.stack([boxes[:, :, 0].amin(1), boxes[:, :, 1].amax(1)], dim=1)


def _box_of_click(features: Tensor, points: Tensor) -> Tensor:
    """Boxes (N, 2, 2) of single clicks (N, 2)."""
    # Counted from the click: from the corner of the image, squares would lose what the variance consists of.
    away, share = _region(features, points)
    shift = (share[..., None] * away).sum(1)
    variance = (share[..., None] * away**2).sum(1) - shift**2 + 1 / 12
    half = 2 * variance.clamp_min(1 / 12).sqrt()
    return torch.stack([points + (shift - half).clamp_max(0), points + (shift + half).clamp_min(0)], dim=1)


def _region(features: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Where cells lie from each click (N, 2), as (N, Y * X, 2), and their shares (N, Y * X) of its region."""
    shape = features.shape[1:]
    axes = [torch.arange(n, dtype=features.dtype, device=features.device) for n in shape]
    cells = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)
    likeness = _likeness(features, points, axes).flatten(1)
    away = cells - points[:, None]
    window = (-(away / (REACH * points.new_tensor(shape))).square().sum(-1) / 2).softmax(dim=1)
    average = (window * likeness).sum(1, keepdim=True)
    contrast = (1 - average).clamp_min(1e-6)
    region = window * torch.sigmoid(STEEPNESS * ((likeness - average) / contrast - 0.5))
    return away, region / region.sum(1, keepdim=True)


def _likeness(features: Tensor, points: Tensor, axes: list[Tensor]) -> Tensor:
    """Cosine similarity (N, Y, X) of every cell with the interpolated feature at each point (N, 2)."""
    inside = [points[:, i].clamp(0, len(axis) - 1) for i, axis in enumerate(axes)]
    rows, columns = (
        (1 - (p[:, None] - axis).abs()).clamp_min(0) for p, axis in zip(inside, axes, strict=True)
    )
    clicked = torch.einsum("ny,nx,cyx->nc", rows, columns, features)
    return torch.einsum("nc,cyx->nyx", normalize(clicked, dim=1), normalize(features, dim=0))
