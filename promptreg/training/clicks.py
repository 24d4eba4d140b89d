"""Simulated clicks: on a region, beside it, and where a mask is wrong."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STRIDE = 2
"""Pixels of the input per cell of a mask."""

POSITIVE_SHARE = 0.6
BLOCK, REACH = 4, 2
"""Near negative clicks fall within so many blocks of mask cells of the region."""

FAR_SHARE = 0.3
"""Share of the negative clicks that fall anywhere outside, as people also click there."""

TINY = 1e-7


def simulated_clicks(
    truth: Tensor, n_points: int, *, single_share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Click into regions `truth` (B, K, h, w), shares of mask cells.

    Returns points (B, K, P, 2) y, x in pixels of the input and labels (B, K, P): the first click is positive;
    a share of the prompts has no other, the rest 2 to P of either kind, padded with -1.
    """
    shape = truth.shape[:2]
    inside = truth.flatten(2).flatten(0, 1)
    outside = 1 - inside
    near = _surroundings(truth).flatten(2).flatten(0, 1) * outside
    anywhere, close = (weights / weights.sum(1, keepdim=True).clamp_min(TINY) for weights in (outside, near))
    on, beside = (
        torch.multinomial(weights + TINY, n_points, replacement=True, generator=generator)
        for weights in (inside, FAR_SHARE * anywhere + (1 - FAR_SHARE) * close)
    )
    kind = torch.rand(on.shape, generator=generator, device=on.device) < POSITIVE_SHARE
    kind[:, 0] = True
    labels = kind.long().masked_fill(~_kept(kind, single_share, generator), -1)
    cells = torch.where(kind, on, beside)
    points = _within(cells, truth.shape[-1], generator)
    return points.unflatten(0, shape), labels.unflatten(0, shape)


def corrective_clicks(logits: Tensor, truth: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Click once into where masks `logits` (B, K, h, w) and `truth` disagree: points (B, K, 1, 2), labels."""
    wrong = ((logits > 0) != (truth > 0.5)).float()
    weights = (wrong + TINY * truth + TINY**2).flatten(2).flatten(0, 1)
    cells = torch.multinomial(weights, 1, generator=generator)
    labels = (truth.flatten(2).flatten(0, 1).gather(1, cells) > 0.5).long()
    points = _within(cells, truth.shape[-1], generator)
    return points.unflatten(0, truth.shape[:2]), labels.unflatten(0, truth.shape[:2])


def _surroundings(truth: Tensor) -> Tensor:
    """Blurred regions (B, K, h, w)."""
    blocks = functional.avg_pool2d(truth, BLOCK)
    wide = functional.avg_pool2d(blocks, 2 * REACH + 1, stride=1, padding=REACH)
    return functional.interpolate(wide, size=truth.shape[-2:], mode="nearest")


def _kept(kind: Tensor, single_share: float, generator: torch.Generator) -> Tensor:
    """Which of the clicks (N, P) are given, bool: one, or uniformly 2 to P."""
    n_prompts, n_points = kind.shape
    draws = torch.rand(n_prompts, 2, generator=generator, device=kind.device)
    several = 2 + (draws[:, 1] * (n_points - 1)).long()
    counts = torch.where(draws[:, 0] < single_share, 1, several)
    return torch.arange(n_points, device=kind.device) < counts[:, None]


def _within(cells: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Points (N, P, 2) in pixels of the input, anywhere within flat mask cells (N, P)."""
    place = torch.stack([cells // width, cells % width], dim=-1).float()
    jitter = torch.rand(place.shape, generator=generator, device=place.device)
    return STRIDE * (place + jitter) - 0.5
