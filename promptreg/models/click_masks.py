"""A pool of candidate masks for each prompt: made, held to the clicks, and scored.

Three geodesic and three GrabCut-type masks fail on different organs; the score looks for the one with
a well-supported boundary, a compact shape, a plausible size and the agreement of the other kind.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import cell_indices
from promptreg.models.colour_masks import N_WORDS, colour_logits, smoothness_weights
from promptreg.models.geodesic_masks import geodesic_distance, geodesic_logits, path_cost
from promptreg.types import Candidates, Grid

LIMIT = 8.0
LEAST = 0.5
SHELL_STEPS = 3
PLAUSIBLE_RADII = (0.03, 0.2)


def click_masks(
    levels: Tensor, edges: Tensor, words: Tensor, *, cells: Tensor, labels: Tensor, grid: Grid
) -> Candidates:
    """Return six candidate masks of each prompt with scores in [0, 1].

    Args:
        levels: (A, *grid.shape) standardized smoothed intensities and colours.
        edges: (*grid.shape) gradient, standard deviations per world unit, noise floor removed.
        words: (*grid.shape) look of each cell (`colour_masks.vocabulary`).
        cells: (B, P, ndim) int64 clicked cells of `grid`, array order.
        labels: (B, P) 1 positive, 0 negative, -1 padding.
        grid: the mask grid.
    """
    positive, negative = marked(cells, labels == 1, grid), marked(cells, labels == 0, grid)
    negative &= ~positive
    cost = path_cost(levels, edges, positive, float(grid.extent.max()))
    distance = geodesic_distance(positive, cost, grid)
    rival = geodesic_distance(negative, cost, grid) if negative.any() else torch.full_like(distance, 2e4)
    weights = smoothness_weights(levels)
    clicks = positive.to(distance) - negative.to(distance)
    near = _distance_to_clicks(cells, labels == 1, grid)
    raw = torch.cat(
        [
            geodesic_logits(distance, rival, levels, edges, grid),
            colour_logits(words, weights, near, clicks, grid),
        ],
        dim=1,
    )
    masks = obedient(raw > 0, positive, negative)
    scores = mask_scores(masks, raw > 0, words, weights, grid=grid)
    inside = raw.clamp(LEAST, LIMIT)
    outside = torch.where(raw > 0, -LIMIT, raw.clamp(-LIMIT, -LEAST))
    return Candidates(torch.where(masks, inside, outside), scores)


def marked(cells: Tensor, chosen: Tensor, grid: Grid) -> Tensor:
    """Return (B, *grid.shape) bool: the cells (B, P, ndim) of the chosen (B, P) clicks."""
    mask = torch.zeros(len(cells), int(np.prod(grid.shape)), dtype=torch.bool, device=cells.device)
    strides = torch.as_tensor(np.cumprod([1, *grid.shape[:0:-1]])[::-1].copy(), device=cells.device)
    prompt, click = chosen.nonzero(as_tuple=True)
    mask[prompt, (cells[prompt, click] * strides).sum(-1)] = True
    return mask.view(-1, *grid.shape)


def _distance_to_clicks(cells: Tensor, chosen: Tensor, grid: Grid) -> Tensor:
    """Return (B, *grid.shape) world distance to the nearest chosen click."""
    linear = torch.as_tensor(grid.affine[:-1, :-1], dtype=torch.float32, device=cells.device)
    every = cell_indices(grid.shape, cells.device).flatten(0, -2) @ linear.T
    clicked = cells.float() @ linear.T
    distance = torch.cdist(clicked, every.expand(len(cells), *every.shape))
    return distance.masked_fill(~chosen[..., None], torch.inf).amin(1).view(-1, *grid.shape)


def obedient(masks: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Make masks (B, M, *spatial) bool obey the clicks (B, *spatial) bool.

    Positive cells are in, negative cells are out; only the connected parts with a positive click stay, and
    holes without a negative click are filled.
    """
    inside = (masks | positive[:, None]) & ~negative[:, None]
    kept = _parts_with(inside, positive[:, None].expand_as(masks))
    keeps_open = negative[:, None].expand_as(masks).clone()
    for axis in range(2, masks.ndim):
        keeps_open.narrow(axis, 0, 1).fill_(True)
        keeps_open.narrow(axis, masks.shape[axis] - 1, 1).fill_(True)
    return ~_parts_with(~kept, keeps_open)


def _parts_with(masks: Tensor, seeds: Tensor) -> Tensor:
    """Keep the face-connected parts of masks (B, M, *spatial) that hold a seed, in one labelling."""
    structure = np.zeros((3,) * masks.ndim, bool)
    structure[1, 1] = ndimage.generate_binary_structure(masks.ndim - 2, 1)
    labels, n_parts = ndimage.label(masks.cpu().numpy(), structure)
    keep = np.zeros(n_parts + 1, bool)
    keep[labels[seeds.cpu().numpy()]] = True
    keep[0] = False
    return torch.from_numpy(keep[labels]).to(masks.device)


def mask_scores(masks: Tensor, raw: Tensor, words: Tensor, weights: list[Tensor], *, grid: Grid) -> Tensor:
    """Return (B, M) scores in [0, 1]: the geometric mean of seven cues that each lie in [0, 1].

    `masks` (B, M, *spatial) bool are those that obey the clicks, `raw` those before; `words` and
    `weights` as for `colour_logits`.
    """
    faces, edge_on_boundary, edge_inside = _boundary(masks, weights, grid)
    volume = masks.flatten(2).sum(2) * float(np.prod(grid.spacing))
    kept = (masks & raw).flatten(2).sum(2) / (masks | raw).flatten(2).sum(2).clamp_min(1)
    cues = [
        edge_on_boundary,
        (1 - edge_inside),
        _compactness(volume, faces, grid.ndim),
        _plausible_size(volume, grid),
        _look_contrast(masks, words),
        (1 + 2 * _agreement(masks)) / 3,
        (1 + kept) / 2,
    ]
    return torch.stack(cues).clamp(1e-3, 1).log().mean(0).exp()


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


def _plausible_size(volume: Tensor, grid: Grid) -> Tensor:
    """One for masks as large as balls of 3 to 20 % of the longest side in radius, falling off beyond."""
    ball = np.pi if grid.ndim == 2 else 4 / 3 * np.pi
    radius = ((volume / ball) ** (1 / grid.ndim) / float(grid.extent.max())).clamp_min(1e-6)
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


def _agreement(masks: Tensor) -> Tensor:
    """Return (B, M) the largest overlap (IoU) with a mask of the other kind."""
    flat = masks.flatten(2).float()
    common = flat @ flat.transpose(1, 2)
    size = flat.sum(2)
    overlap = common / (size[:, :, None] + size[:, None] - common).clamp_min(1)
    half = masks.shape[1] // 2
    across = overlap[:, :half, half:]
    return torch.cat([across.amax(2), across.amax(1)], dim=1)
