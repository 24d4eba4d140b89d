"""Seven hand-made cues of what speaks for or against a candidate mask, without knowing the truth.

They lie in [0, 1], one is good: a well-supported boundary, a quiet inside, a compact shape, a plausible
size, looks that differ from the surroundings, the agreement of another kind of mask, and obedience.
Lengths are relative and directions do not enter, so that images of any size, spacing and orientation
compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.models.colour_masks import N_WORDS
from promptreg.types import Grid

N_HAND = 7
KIND_SIZE = 3
SHELL_STEPS = 3
PLAUSIBLE_RADII = (0.03, 0.2)
WEAK = 0.25


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


def hand_scores(masks: Tensor, raw: Tensor, looks: Looks, grid: Grid) -> Tensor:
    """Return (B, M) scores in [0, 1] by the hand-made cues alone; `raw` bool."""
    flat = masks.flatten(2).float()
    boundary = boundary_of(masks, looks.weights, grid)
    overlap, _ = overlaps(flat, flat.sum(2))
    return hand_score(hand_cues(masks, raw, boundary, *appearance(masks, flat, looks), overlap, grid))


def hand_score(cues: Tensor) -> Tensor:
    """Return (B, M) in [0, 1]: the geometric mean of the first seven cues (B, M, n_cues)."""
    return cues[..., :N_HAND].clamp(1e-3, 1).log().mean(-1).exp()


def hand_cues(
    masks: Tensor,
    raw: Tensor,
    boundary: tuple[Tensor, ...],
    inside: Tensor,
    around: Tensor,
    overlap: Tensor,
    grid: Grid,
) -> Tensor:
    """Return the seven cues in [0, 1], (B, M, 7); `raw` bool, the rest as the functions below return."""
    faces, edge_on_boundary, edge_inside, _ = boundary
    volume = n_cells(masks) * float(np.prod(grid.spacing))
    kept = n_cells(masks & raw) / n_cells(masks | raw).clamp_min(1)
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


def n_cells(masks: Tensor) -> Tensor:
    """Return (B, M) numbers of cells; counting is several times as fast as a sum of bool."""
    return torch.count_nonzero(masks.flatten(2), dim=2)


def boundary_of(masks: Tensor, weights: list[Tensor], grid: Grid) -> tuple[Tensor, ...]:
    """Return (B, M) each: area of the boundary's faces, mean edge strength on them, and between inner cells,
    share of the boundary where there is hardly an edge; `masks` (B, M, *grid.shape) bool."""
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


def relative_radius(volume: Tensor, grid: Grid) -> Tensor:
    """Return the radius of the ball of a world volume (B, M), as a share of the grid's longest side."""
    ball = np.pi if grid.ndim == 2 else 4 / 3 * np.pi
    return ((volume / ball) ** (1 / grid.ndim) / float(grid.extent.max())).clamp_min(1e-6)


def appearance(masks: Tensor, flat: Tensor, looks: Looks) -> tuple[Tensor, Tensor]:
    """Return means (B, M, N_WORDS + 2 A) inside and in the shell: looks, levels, squared levels.

    `masks` (B, M, *grid.shape) bool, `flat` (B, M, n_cells) the same as numbers.
    """
    words = torch.nn.functional.one_hot(looks.words.flatten(), N_WORDS).float()
    levels = looks.levels.flatten(1).T
    columns = torch.cat([words, levels, levels.square(), torch.ones_like(levels[:, :1])], dim=1)
    sums = flat @ columns, shell(masks).flatten(2).float() @ columns
    inside, around = (one[..., :-1] / one[..., -1:].clamp_min(1) for one in sums)
    return inside, around


def overlaps(flat: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, M, M) each: the IoU of every two candidates, and the share of the first in the second.

    `flat` (B, M, n_cells) is 1 inside, `size` (B, M) its sum.
    """
    common = flat @ flat.transpose(1, 2)
    union = size[:, :, None] + size[:, None] - common
    return common / union.clamp_min(1), common / size[:, :, None].clamp_min(1)


def _compactness(volume: Tensor, faces: Tensor, ndim: int) -> Tensor:
    """Face area of the ball of the same volume over the mask's: one for a ball, small for a sponge."""
    ball = 8 * (volume / np.pi).sqrt() if ndim == 2 else 6 * np.pi * (volume * 3 / (4 * np.pi)) ** (2 / 3)
    return ball / faces.clamp_min(1e-6)


def _plausible_size(volume: Tensor, grid: Grid) -> Tensor:
    """One for masks as large as balls of 3 to 20 % of the longest side in radius, falling off beyond."""
    radius = relative_radius(volume, grid)
    low, high = PLAUSIBLE_RADII
    beyond = torch.maximum((low / radius).log(), (radius / high).log()).clamp_min(0)
    return torch.exp(-2 * beyond.square())


def _agreement(overlap: Tensor) -> Tensor:
    """Return (B, M) the largest overlap with a mask of another kind, from the (B, M, M) IoU."""
    kind = torch.arange(overlap.shape[1], device=overlap.device) // KIND_SIZE
    return overlap.masked_fill(kind[:, None] == kind, 0).amax(2)
