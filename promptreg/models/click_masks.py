"""A pool of candidate masks for each prompt: made and held to the clicks.

Three geodesic and three GrabCut-type masks fail on different organs; scores say which one is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import cell_indices
from promptreg.models.colour_masks import colour_logits, smoothness_weights
from promptreg.models.geodesic_masks import geodesic_distance, geodesic_logits, path_cost
from promptreg.models.hand_cues import Looks, hand_scores
from promptreg.models.mask_cues import Clicks
from promptreg.types import Candidates, Grid

LIMIT = 8.0
LEAST = 0.5
PROMPTS_PER_CHUNK = 8
"""Prompts whose masks are judged together: those of more leave the processor's cache."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates of B prompts: logits `raw` (B, M, *grid.shape), and `masks` bool, which obey the clicks."""

    raw: Tensor
    masks: Tensor
    looks: Looks
    clicks: Clicks

    def split(self) -> Iterator[Pool]:
        """Yield the candidates of a few prompts at a time; of no prompts once."""
        clicks = (self.clicks.positive, self.clicks.negative, self.clicks.near, self.clicks.near_negative)
        parts = (array.split(PROMPTS_PER_CHUNK) for array in (self.raw, self.masks, *clicks))
        for raw, masks, *some in zip(*parts, strict=True):
            yield Pool(raw, masks, self.looks, Clicks(*some))


def click_pool(
    levels: Tensor, edges: Tensor, words: Tensor, *, cells: Tensor, labels: Tensor, grid: Grid
) -> Pool:
    """Return three geodesic and three GrabCut-type candidates of each prompt.

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
    looks = Looks(levels, words, smoothness_weights(levels))
    near, near_negative = (_distance_to_clicks(cells, labels == label, grid) for label in (1, 0))
    raw = torch.cat(
        [
            geodesic_logits(distance, rival, levels, edges, grid),
            colour_logits(words, looks.weights, near, positive.to(distance) - negative.to(distance), grid),
        ],
        dim=1,
    )
    clicks = Clicks(positive, negative, near, near_negative)
    return Pool(raw, obedient(raw > 0, positive, negative), looks, clicks)


def joined(pool: Pool, logits: Tensor) -> Pool:
    """Return a pool with further candidates (B, M', *grid.shape)."""
    masks = obedient(logits > 0, pool.clicks.positive, pool.clicks.negative)
    raw, masks = torch.cat([pool.raw, logits], dim=1), torch.cat([pool.masks, masks], dim=1)
    return replace(pool, raw=raw, masks=masks)


def hand_scored(pool: Pool, grid: Grid) -> Candidates:
    """Return the candidates with the scores in [0, 1] that need no learning."""
    found = [
        candidates(some, hand_scores(some.masks, some.raw > 0, some.looks, grid)) for some in pool.split()
    ]
    return Candidates(torch.cat([one.logits for one in found]), torch.cat([one.scores for one in found]))


def candidates(pool: Pool, scores: Tensor) -> Candidates:
    """Return the candidates with scores (B, M); logits are bounded, and have the sign of the masks."""
    inside = pool.raw.clamp(LEAST, LIMIT)
    outside = torch.where(pool.raw > 0, -LIMIT, pool.raw.clamp(-LIMIT, -LEAST))
    return Candidates(torch.where(pool.masks, inside, outside), scores)


def marked(cells: Tensor, chosen: Tensor, grid: Grid) -> Tensor:
    """Return (B, *grid.shape) bool: the cells (B, P, ndim) of the chosen (B, P) clicks."""
    mask = torch.zeros(len(cells), int(np.prod(grid.shape)), dtype=torch.bool, device=cells.device)
    strides = torch.as_tensor(np.cumprod([1, *grid.shape[:0:-1]])[::-1].copy(), device=cells.device)
    prompt, click = chosen.nonzero(as_tuple=True)
    mask[prompt, (cells[prompt, click] * strides).sum(-1)] = True
    return mask.view(-1, *grid.shape)


def _distance_to_clicks(cells: Tensor, chosen: Tensor, grid: Grid) -> Tensor:
    """Return (B, *grid.shape) world distance to the nearest chosen click, infinite without one."""
    if not chosen.any():
        return torch.full((len(cells), *grid.shape), torch.inf, device=cells.device)
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
