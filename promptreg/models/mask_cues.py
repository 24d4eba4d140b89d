"""What speaks for or against each candidate mask of a prompt, without knowing the truth.

Seven hand-made cues lie in [0, 1], one is good: a well-supported boundary, a quiet inside, a compact shape, a
plausible size, looks that differ from the surroundings, the agreement of another kind of mask, and
obedience. The others say how a mask lies to the clicks, to the image and to the other candidates. Lengths
are relative and directions do not enter, so that images of any size, spacing and orientation compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import world_coordinates
from promptreg.models.colour_masks import N_WORDS
from promptreg.types import Grid

KIND_SIZE = 3
SHELL_STEPS = 3
PLAUSIBLE_RADII = (0.03, 0.2)
BALLS = torch.logspace(-2, -0.3, 10).tolist()
"""Radii about the clicks, as shares of the longest side, at which the cover is known."""

COVERED = (0.4, 0.7, 1.0)
"""Balls about the clicks whose cover is a cue, as shares of a mask's own radius."""

NEGATIVE_BALL = 0.03
WEAK = 0.25
SURE = 1.0
MANY_CLICKS = 5
N_HAND, HAND_SCORE = 7, 7
"""Number of the hand-made cues, which come first, and place of their mean among the cues."""


@dataclass(frozen=True, eq=False)
class Looks:
    """An image on its mask grid.

    Attributes:
        levels: (A, *grid.shape) standardized smoothed intensities and colours.
        words: (*grid.shape) look of each cell (`colour_masks.vocabulary`).
        weights: smoothness weight of the faces across each axis (`colour_masks.smoothness_weights`).
    """

    levels: Tensor
    words: Tensor
    weights: list[Tensor]


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
    boundary = _boundary(masks, looks.weights, grid)
    inside, around = _appearance(masks, flat, looks)
    overlap, held = _overlap(flat, size)
    hand = _hand_cues(masks, raw > 0, boundary, inside, around, overlap, grid)
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


def hand_scores(masks: Tensor, raw: Tensor, looks: Looks, grid: Grid) -> Tensor:
    """Return (B, M) scores in [0, 1] by the hand-made cues alone; `raw` bool."""
    flat = masks.flatten(2).float()
    boundary = _boundary(masks, looks.weights, grid)
    overlap, _ = _overlap(flat, flat.sum(2))
    return hand_score(_hand_cues(masks, raw, boundary, *_appearance(masks, flat, looks), overlap, grid))


def hand_score(cues: Tensor) -> Tensor:
    """Return (B, M) in [0, 1]: the geometric mean of the first seven cues (B, M, n_cues)."""
    return cues[..., :N_HAND].clamp(1e-3, 1).log().mean(-1).exp()


def shell(masks: Tensor) -> Tensor:
    """Return what lies within three cells of masks (B, M, *spatial) bool."""
    grown = masks
    for _ in range(SHELL_STEPS):
        before, grown = grown, grown.clone()
        for axis in range(2, masks.ndim):
            n = masks.shape[axis]
            grown.narrow(axis, 0, n - 1).logical_or_(before.narrow(axis, 1, n - 1))
            grown.narrow(axis, 1, n - 1).logical_or_(before.narrow(axis, 0, n - 1))
    return grown & ~masks


def _hand_cues(
    masks: Tensor,
    raw: Tensor,
    boundary: tuple[Tensor, ...],
    inside: Tensor,
    around: Tensor,
    overlap: Tensor,
    grid: Grid,
) -> Tensor:
    """Return the seven cues in [0, 1], (B, M, 7)."""
    faces, edge_on_boundary, edge_inside, _ = boundary
    volume = _n_cells(masks) * float(np.prod(grid.spacing))
    kept = _n_cells(masks & raw) / _n_cells(masks | raw).clamp_min(1)
    common = (inside[..., :N_WORDS] * around[..., :N_WORDS]).sqrt().sum(2)
    cues = [
        edge_on_boundary,
        1 - edge_inside,
        _compactness(volume, faces, grid.ndim),
        _plausible_size(volume, grid),
        (1 - common).clamp_min(0).sqrt(),
        (1 + 2 * _agreement(overlap)) / 3,
        (1 + kept) / 2,
    ]
    return torch.stack(cues, dim=2).clamp(0, 1)


def _n_cells(masks: Tensor) -> Tensor:
    """Return (B, M) numbers of cells; counting is several times as fast as a sum of bool."""
    return torch.count_nonzero(masks.flatten(2), dim=2)


def _boundary(masks: Tensor, weights: list[Tensor], grid: Grid) -> tuple[Tensor, ...]:
    """Return (B, M) each: area of the boundary's faces, mean edge strength on them, and between inner cells,
    share of the boundary where there is hardly an edge."""
    volume = float(np.prod(grid.spacing))
    area = torch.zeros(masks.shape[:2], device=masks.device)
    on, weak, inside, n_inside = area.clone(), area.clone(), area.clone(), area.clone()
    for axis, (weight, spacing) in enumerate(zip(weights, grid.spacing, strict=True)):
        n = masks.shape[axis + 2]
        low, high = masks.narrow(axis + 2, 0, n - 1), masks.narrow(axis + 2, 1, n - 1)
        face, edge = volume / spacing, (1 - weight).flatten()
        columns = torch.stack([edge, (edge < WEAK).float(), torch.ones_like(edge)], dim=1)
        cut, both = (low ^ high).flatten(2).float() @ columns, (low & high).flatten(2).float() @ columns
        area += face * cut[..., 2]
        on += face * cut[..., 0]
        weak += face * cut[..., 1]
        inside += face * both[..., 0]
        n_inside += face * both[..., 2]
    some = area.clamp_min(1e-6)
    return area, on / some, inside / n_inside.clamp_min(1e-6), weak / some


def _compactness(volume: Tensor, faces: Tensor, ndim: int) -> Tensor:
    """Face area of the ball of the same volume over the mask's: one for a ball, small for a sponge."""
    ball = 8 * (volume / np.pi).sqrt() if ndim == 2 else 6 * np.pi * (volume * 3 / (4 * np.pi)) ** (2 / 3)
    return ball / faces.clamp_min(1e-6)


def _relative_radius(volume: Tensor, grid: Grid) -> Tensor:
    """Radius of the ball of a world volume, as a share of the grid's longest side."""
    ball = np.pi if grid.ndim == 2 else 4 / 3 * np.pi
    return ((volume / ball) ** (1 / grid.ndim) / float(grid.extent.max())).clamp_min(1e-6)


def _plausible_size(volume: Tensor, grid: Grid) -> Tensor:
    """One for masks as large as balls of 3 to 20 % of the longest side in radius, falling off beyond."""
    radius = _relative_radius(volume, grid)
    low, high = PLAUSIBLE_RADII
    beyond = torch.maximum((low / radius).log(), (radius / high).log()).clamp_min(0)
    return torch.exp(-2 * beyond.square())


def _appearance(masks: Tensor, flat: Tensor, looks: Looks) -> tuple[Tensor, Tensor]:
    """Return means (B, M, N_WORDS + 2 A) inside and in the shell: looks, levels, squared levels."""
    words = torch.nn.functional.one_hot(looks.words.flatten(), N_WORDS).float()
    levels = looks.levels.flatten(1).T
    columns = torch.cat([words, levels, levels.square(), torch.ones_like(levels[:, :1])], dim=1)
    sums = flat @ columns, shell(masks).flatten(2).float() @ columns
    inside, around = (one[..., :-1] / one[..., -1:].clamp_min(1) for one in sums)
    return inside, around


def _overlap(flat: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, M, M) each: the IoU of every two candidates, and the share of the first in the second."""
    common = flat @ flat.transpose(1, 2)
    union = size[:, :, None] + size[:, None] - common
    return common / union.clamp_min(1), common / size[:, :, None].clamp_min(1)


def _agreement(overlap: Tensor) -> Tensor:
    """Return (B, M) the largest overlap with a mask of another kind, from the (B, M, M) IoU."""
    kind = torch.arange(overlap.shape[1], device=overlap.device) // KIND_SIZE
    return overlap.masked_fill(kind[:, None] == kind, 0).amax(2)


def _size_cues(size: Tensor, grid: Grid) -> Tensor:
    """Return (B, M, 2): logarithms of the radius, and of its ratio to the mean; `size` (B, M) in cells."""
    radius = _relative_radius(size * float(np.prod(grid.spacing)), grid).log()
    return torch.stack([radius, radius - radius.mean(1, keepdim=True)], dim=2)


def _boundary_cues(masks: Tensor, boundary: tuple[Tensor, ...], grid: Grid) -> Tensor:
    """Return (B, M, 3): share of the surface on the image's border, share without edge, contrast of edges."""
    faces, on, inside, weak = boundary
    volume = float(np.prod(grid.spacing))
    area = torch.zeros_like(faces)
    for axis, spacing in enumerate(grid.spacing):
        ends = _n_cells(masks.select(axis + 2, 0)) + _n_cells(masks.select(axis + 2, -1))
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
    grown = _n_cells(raw > 0) / _n_cells(raw > -SURE).clamp_min(1)
    return torch.stack([sure, grown], dim=2)


def _click_cues(flat: Tensor, size: Tensor, raw: Tensor, clicks: Clicks, grid: Grid) -> Tensor:
    """Return (B, M, 10): where a mask lies about the clicks, how its logits obeyed, and their numbers."""
    longest = float(grid.extent.max())
    radius = _relative_radius(size * float(np.prod(grid.spacing)), grid)
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
