"""What speaks for or against each candidate mask of a prompt, without knowing the truth.

Seven hand-made cues lie in [0, 1], one is good: a well-supported boundary, a quiet inside, a compact shape, a
plausible size, looks that differ from the surroundings, the agreement of the other kind of mask, and
obedience. The others say how the mask lies to the clicks, to the image and to the other candidates. Lengths
are relative and directions do not enter, so that images of any size, spacing and orientation compare.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import world_coordinates
from promptreg.models.colour_masks import N_WORDS
from promptreg.types import Grid

N_MASKS = 6
SHELL_STEPS = 3
PLAUSIBLE_RADII = (0.03, 0.2)
CLICK_RADII = (0.02, 0.04, 0.08, 0.16)
MANY_CLICKS = 5


def mask_cues(
    masks: Tensor,
    raw: Tensor,
    words: Tensor,
    weights: list[Tensor],
    *,
    positive: Tensor,
    negative: Tensor,
    near: Tensor,
    grid: Grid,
) -> Tensor:
    """Return the cues of every candidate, (B, M, n_cues); the first seven are `hand_cues`.

    Args:
        masks: (B, M, *grid.shape) bool, the candidates that obey the clicks.
        raw: (B, M, *grid.shape) bool, the candidates before.
        words: (*grid.shape) look of each cell (`colour_masks.vocabulary`).
        weights: smoothness weight of the faces across each axis (`colour_masks.smoothness_weights`).
        positive: (B, *grid.shape) bool, cells clicked positive.
        negative: (B, *grid.shape) bool, cells clicked negative.
        near: (B, *grid.shape) world distance to the nearest positive click.
    """
    size = masks.flatten(2).sum(2).float()
    faces, *_ = boundary = _boundary(masks, weights, grid)
    overlap = _overlap(masks)
    rows = [
        hand_cues(masks, raw, words, boundary, overlap, grid=grid),
        _size_cues(size, overlap, grid),
        _click_cues(masks, near, positive, grid),
        _obedience_cues(raw, positive, negative),
        _border_share(masks, faces, grid)[..., None],
        _purity(masks, words)[..., None],
    ]
    return torch.cat([*rows, _constants(size, positive, negative, grid)], dim=2)


def hand_cues(
    masks: Tensor,
    raw: Tensor,
    words: Tensor,
    boundary: tuple[Tensor, Tensor, Tensor],
    overlap: Tensor,
    *,
    grid: Grid,
) -> Tensor:
    """Return the seven cues in [0, 1], (B, M, 7)."""
    faces, edge_on_boundary, edge_inside = boundary
    volume = masks.flatten(2).sum(2) * float(np.prod(grid.spacing))
    kept = (masks & raw).flatten(2).sum(2) / (masks | raw).flatten(2).sum(2).clamp_min(1)
    cues = [
        edge_on_boundary,
        (1 - edge_inside),
        _compactness(volume, faces, grid.ndim),
        _plausible_size(volume, grid),
        _look_contrast(masks, words),
        (1 + 2 * _agreement(overlap)) / 3,
        (1 + kept) / 2,
    ]
    return torch.stack(cues, dim=2).clamp(0, 1)


def _boundary(masks: Tensor, weights: list[Tensor], grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Return (B, M): area of the boundary's faces, mean edge strength on them, and between inner cells."""
    volume = float(np.prod(grid.spacing))
    area = torch.zeros(masks.shape[:2], device=masks.device)
    on, inside, n_inside = area.clone(), area.clone(), area.clone()
    for axis, (weight, spacing) in enumerate(zip(weights, grid.spacing, strict=True)):
        n = masks.shape[axis + 2]
        low, high = masks.narrow(axis + 2, 0, n - 1), masks.narrow(axis + 2, 1, n - 1)
        face, edge = volume / spacing, (1 - weight).flatten()
        cut, both = (low ^ high).flatten(2).float(), (low & high).flatten(2).float()
        area += face * cut.sum(2)
        on += face * (cut @ edge)
        inside += face * (both @ edge)
        n_inside += face * both.sum(2)
    return area, on / area.clamp_min(1e-6), inside / n_inside.clamp_min(1e-6)


def _compactness(volume: Tensor, faces: Tensor, ndim: int) -> Tensor:
    """Face area of the ball of the same volume over the mask's: one for a ball, small for a sponge."""
    ball = 8 * (volume / np.pi).sqrt() if ndim == 2 else 6 * np.pi * (volume * 3 / (4 * np.pi)) ** (2 / 3)
    return ball / faces.clamp_min(1e-6)


def _relative_radius(volume: Tensor, grid: Grid) -> Tensor:
    """Radius of the ball of a world volume, as a fraction of the grid's longest side."""
    ball = np.pi if grid.ndim == 2 else 4 / 3 * np.pi
    return ((volume / ball) ** (1 / grid.ndim) / float(grid.extent.max())).clamp_min(1e-6)


def _plausible_size(volume: Tensor, grid: Grid) -> Tensor:
    """One for masks as large as balls of 3 to 20 % of the longest side in radius, falling off beyond."""
    radius = _relative_radius(volume, grid)
    low, high = PLAUSIBLE_RADII
    beyond = torch.maximum((low / radius).log(), (radius / high).log()).clamp_min(0)
    return torch.exp(-2 * beyond.square())


def _look_contrast(masks: Tensor, words: Tensor) -> Tensor:
    """Hellinger distance (B, M) between the looks inside and in the shell of three cells around the mask."""
    shell = masks.clone()
    for _ in range(SHELL_STEPS):
        grown = shell.clone()
        for axis in range(2, masks.ndim):
            n = masks.shape[axis]
            grown.narrow(axis, 0, n - 1).logical_or_(shell.narrow(axis, 1, n - 1))
            grown.narrow(axis, 1, n - 1).logical_or_(shell.narrow(axis, 0, n - 1))
        shell = grown
    inside, around = _looks(masks, words), _looks(shell & ~masks, words)
    return (1 - (inside * around).sqrt().sum(2)).clamp_min(0).sqrt()


def _looks(masks: Tensor, words: Tensor) -> Tensor:
    """Return (B, M, N_WORDS) shares of the looks in each mask."""
    one_hot = torch.nn.functional.one_hot(words.flatten(), N_WORDS).float()
    counts = masks.flatten(2).float() @ one_hot
    return counts / counts.sum(2, keepdim=True).clamp_min(1)


def _purity(masks: Tensor, words: Tensor) -> Tensor:
    """Return (B, M) the chance that two cells of a mask look alike."""
    return _looks(masks, words).square().sum(2)


def _overlap(masks: Tensor) -> Tensor:
    """Return (B, M, M) the IoU of every two candidates of a prompt."""
    flat = masks.flatten(2).float()
    common, size = flat @ flat.transpose(1, 2), flat.sum(2)
    return common / (size[:, :, None] + size[:, None] - common).clamp_min(1)


def _agreement(overlap: Tensor) -> Tensor:
    """Return (B, M) the largest overlap with a mask of the other kind, from the (B, M, M) IoU."""
    half = overlap.shape[1] // 2
    across = overlap[:, :half, half:]
    return torch.cat([across.amax(2), across.amax(1)], dim=1)


def _size_cues(size: Tensor, overlap: Tensor, grid: Grid) -> Tensor:
    """Return (B, M, 1 + 2 M): the logarithm of the radius, of its ratio to each other, and the overlaps.

    `size` (B, M) in cells.
    """
    radius = _relative_radius(size * float(np.prod(grid.spacing)), grid).log()
    return torch.cat([radius[..., None], radius[:, :, None] - radius[:, None], overlap], dim=2)


def _click_cues(masks: Tensor, near: Tensor, positive: Tensor, grid: Grid) -> Tensor:
    """Return (B, M, 6): how much of balls round the positive clicks a mask covers, and where they lie in it.

    The last two are the distance from the clicks' mean to the mask's, and the mask's spread about that, over
    the radius of a ball of its size.
    """
    longest = float(grid.extent.max())
    balls = torch.stack([(near <= radius * longest) for radius in CLICK_RADII], dim=1).flatten(2).float()
    flat = masks.flatten(2).float()
    covered = flat @ balls.transpose(1, 2) / balls.sum(2)[:, None].clamp_min(1)
    places = (world_coordinates(grid, masks.device) - torch.as_tensor(grid.center).float()) / longest
    places = places.flatten(0, -2)
    size = flat.sum(2, keepdim=True).clamp_min(1)
    middle, clicked = flat @ places / size, positive.flatten(1).float() @ places
    clicked = clicked / positive.flatten(1).sum(1, keepdim=True)
    radius = _relative_radius(size * float(np.prod(grid.spacing)), grid)
    spread = (
        flat @ places.square().sum(1, keepdim=True) / size - middle.square().sum(2, keepdim=True)
    ).clamp_min(0)
    offset = (middle - clicked[:, None]).norm(dim=2, keepdim=True)
    return torch.cat([covered, offset / radius, spread.sqrt() / radius], dim=2)


def _obedience_cues(raw: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return (B, M, 2): the share of positive clicks outside and of negative ones inside, before obeying."""
    flat = raw.flatten(2).float()
    wanted, unwanted = positive.flatten(1).float()[..., None], negative.flatten(1).float()[..., None]
    missed = 1 - flat @ wanted / wanted.sum(1, keepdim=True).clamp_min(1)
    spilled = flat @ unwanted / unwanted.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([missed, spilled], dim=2)


def _border_share(masks: Tensor, faces: Tensor, grid: Grid) -> Tensor:
    """Return (B, M) the share of a mask's surface that lies on the border of the image."""
    volume = float(np.prod(grid.spacing))
    area = torch.zeros_like(faces)
    for axis, spacing in enumerate(grid.spacing):
        ends = masks.select(axis + 2, 0).flatten(2).sum(2) + masks.select(axis + 2, -1).flatten(2).sum(2)
        area += volume / spacing * ends
    return area / (area + faces).clamp_min(1e-6)


def _constants(size: Tensor, positive: Tensor, negative: Tensor, grid: Grid) -> Tensor:
    """Return (B, M, M + 3): which candidate it is, how many clicks there are, and the dimension."""
    n_prompts, n_masks = size.shape
    which = torch.eye(n_masks, device=size.device).expand(n_prompts, -1, -1)
    counts = torch.stack([positive.flatten(1).sum(1), negative.flatten(1).sum(1)], dim=1) / MANY_CLICKS
    counts = counts[:, None].expand(-1, n_masks, -1)
    return torch.cat([which, counts, torch.full_like(counts[..., :1], float(grid.ndim == 3))], dim=2)
