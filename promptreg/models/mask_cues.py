"""What speaks for or against each candidate mask of a prompt, as input of a learned score.

The hand-made cues come first. The others say how a mask lies to the clicks, to the image and to the other
candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import world_coordinates
from promptreg.models.colour_masks import N_WORDS
from promptreg.models.hand_cues import (
    N_HAND,
    Looks,
    appearance,
    boundary_of,
    hand_cues,
    hand_score,
    n_cells,
    overlaps,
    relative_radius,
)
from promptreg.types import Grid

BALLS = torch.logspace(-2, -0.3, 10).tolist()
"""Radii about the clicks, as shares of the longest side, at which the cover is known."""

COVERED = (0.4, 0.7, 1.0)
"""Balls about the clicks whose cover is a cue, as shares of a mask's own radius."""

NEGATIVE_BALL = 0.03
SURE = 1.0
MANY_CLICKS = 5
HAND_SCORE = N_HAND
"""Place among the cues of the mean of the hand-made ones, which come before it."""


@dataclass(frozen=True, eq=False)
class Clicks:
    """B prompts on the mask grid.

    Attributes:
        positive, negative: (B, *grid.shape) bool, the clicked cells.
        near, near_negative: (B, *grid.shape) world distance to the nearest click of that kind, infinite
            if there is none.
    """

    positive: Tensor
    negative: Tensor
    near: Tensor
    near_negative: Tensor


def mask_cues(masks: Tensor, raw: Tensor, looks: Looks, clicks: Clicks, grid: Grid) -> Tensor:
    """Return the cues of every candidate, (B, M, n_cues); the first seven are the hand-made ones.

    `masks` (B, M, *grid.shape) bool are the candidates that obey the clicks, `raw` (B, M, *grid.shape) the
    logits before; each three masks are of one kind.
    """
    flat = masks.flatten(2).float()
    size = flat.sum(2)
    boundary = boundary_of(masks, looks.weights, grid)
    inside, around = appearance(masks, flat, looks)
    overlap, held = overlaps(flat, size)
    hand = hand_cues(masks, raw > 0, boundary, inside, around, overlap, grid)
    parts = [
        hand,
        hand_score(hand)[..., None],
        _size_cues(size, grid),
        _boundary_cues(masks, boundary, grid),
        _look_cues(inside, around, looks, clicks),
        _sureness(flat, raw),
        overlap,
        held,
        overlap.mean(2, keepdim=True),
        _click_cues(flat, size, raw, clicks, grid),
    ]
    return torch.cat(parts, dim=2)


def _size_cues(size: Tensor, grid: Grid) -> Tensor:
    """Return (B, M, 2): logarithms of the radius, and of its ratio to the mean; `size` (B, M) in cells."""
    radius = relative_radius(size * float(np.prod(grid.spacing)), grid).log()
    return torch.stack([radius, radius - radius.mean(1, keepdim=True)], dim=2)


def _boundary_cues(masks: Tensor, boundary: tuple[Tensor, ...], grid: Grid) -> Tensor:
    """Return (B, M, 3): share of the surface on the image's border, share without edge, contrast of edges."""
    faces, on, inside, weak = boundary
    volume = float(np.prod(grid.spacing))
    area = torch.zeros_like(faces)
    for axis, spacing in enumerate(grid.spacing):
        ends = n_cells(masks.select(axis + 2, 0)) + n_cells(masks.select(axis + 2, -1))
        area += volume / spacing * ends
    return torch.stack([area / (area + faces).clamp_min(1e-6), weak, on / (on + inside + 1e-3)], dim=2)


def _look_cues(inside: Tensor, around: Tensor, looks: Looks, clicks: Clicks) -> Tensor:
    """Return (B, M, 8): how pure the looks inside and in the shell are, how intensities differ, and what the
    clicked looks say."""
    n = len(looks.levels)
    mean = [one[..., N_WORDS : N_WORDS + n] for one in (inside, around)]
    power = [one[..., N_WORDS + n :] for one in (inside, around)]
    spread = [(p - m.square()).clamp_min(0) for m, p in zip(mean, power, strict=True)]
    contrast = (mean[0] - mean[1]).abs() / (spread[0] + spread[1] + 0.05).sqrt()
    shares = [one[..., :N_WORDS] for one in (inside, around)]
    evidence = ((shares[0] + 1e-3) / (shares[1] + 1e-3)).log()
    hits = torch.nn.functional.one_hot(looks.words.flatten(), N_WORDS).float()
    clicked = clicks.positive.flatten(1).float() @ hits
    clicked = (clicked / clicked.sum(1, keepdim=True).clamp_min(1))[:, None]
    cues = [
        shares[0].square().sum(2),
        shares[1].square().sum(2),
        contrast.amax(2),
        contrast.mean(2),
        spread[0][..., 0].sqrt(),
        spread[1][..., 0].sqrt(),
        (evidence * clicked).sum(2),
        (shares[0] * clicked).sum(2),
    ]
    return torch.stack(cues, dim=2)


def _sureness(flat: Tensor, raw: Tensor) -> Tensor:
    """Return (B, M, 2): how little a mask shrinks and grows when the logits' level is moved by one."""
    sure = (flat * (raw > SURE).flatten(2)).sum(2) / flat.sum(2).clamp_min(1)
    grown = n_cells(raw > 0) / n_cells(raw > -SURE).clamp_min(1)
    return torch.stack([sure, grown], dim=2)


def _click_cues(flat: Tensor, size: Tensor, raw: Tensor, clicks: Clicks, grid: Grid) -> Tensor:
    """Return (B, M, 10): where a mask lies about the clicks, how its logits obeyed, and their numbers."""
    longest = float(grid.extent.max())
    radius = relative_radius(size * float(np.prod(grid.spacing)), grid)
    balls = torch.stack([clicks.near <= one * longest for one in BALLS], dim=1).flatten(2).float()
    cover = flat @ balls.transpose(1, 2) / balls.sum(2)[:, None].clamp_min(1)
    cues = [_read_log(cover, share * radius) for share in COVERED]
    cues += _place_cues(flat, radius, clicks, grid)
    beside = (clicks.near_negative <= NEGATIVE_BALL * longest).flatten(1).float()[..., None]
    wanted, unwanted = (one.flatten(1).float()[..., None] for one in (clicks.positive, clicks.negative))
    before = (raw > 0).flatten(2).float()
    for mask, cells in ((1 - before, wanted), (before, unwanted), (flat, beside)):
        cues.append((mask @ cells / cells.sum(1, keepdim=True).clamp_min(1))[..., 0])
    counts = [one.sum(1).expand_as(size) / MANY_CLICKS for one in (wanted, unwanted)]
    return torch.stack([*cues, *counts], dim=2)


def _read_log(cover: Tensor, radius: Tensor) -> Tensor:
    """Read cover (B, M, len(BALLS)) at relative radii (B, M), linear in the logarithm."""
    first, last, n = BALLS[0], BALLS[-1], len(BALLS)
    place = ((radius / first).log() / np.log(last / first) * (n - 1)).clamp(0, n - 1.001)
    low = place.long()
    below, above = (cover.gather(2, at[..., None])[..., 0] for at in (low, low + 1))
    return torch.lerp(below, above, place - low)


def _place_cues(flat: Tensor, radius: Tensor, clicks: Clicks, grid: Grid) -> list[Tensor]:
    """Return (B, M) each: distance from the clicks' mean to the mask's, and the mask's spread about that.

    Both over the radius of a ball of its size; a ball spreads by one.
    """
    places = world_coordinates(grid, flat.device) - torch.as_tensor(grid.center)
    places = (places / float(grid.extent.max())).flatten(0, -2).to(flat)
    columns = torch.cat([places, places.square().sum(1, keepdim=True)], dim=1)
    means = flat @ columns / flat.sum(2, keepdim=True).clamp_min(1)
    wanted = clicks.positive.flatten(1).float()
    clicked = (wanted @ places / wanted.sum(1, keepdim=True).clamp_min(1))[:, None]
    spread = (means[..., -1] - means[..., :-1].square().sum(2)).clamp_min(0).sqrt()
    of_ball = (grid.ndim / (grid.ndim + 2)) ** 0.5
    return [(means[..., :-1] - clicked).norm(dim=2) / radius, spread / (radius * of_ball)]
