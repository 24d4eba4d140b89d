"""Everything that a promptable model segments on an image: a grid of clicks, then filters.

As Segment Anything makes its automatic masks (Kirillov et al., ICCV 2023): a candidate of a click must be
certain, by the model's own score and by its stability, of a fitting size, and distinct from better ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.geometry import resized, sample, world_coordinates, world_to_index
from promptreg.models.base import PromptableModel
from promptreg.types import Embedding, Grid

BATCH = 32
"""Clicks that are decoded together."""


@dataclass(frozen=True)
class Filters:
    """Which masks are kept; the defaults are those of SAMReg (Huang et al., 2024).

    Attributes:
        score: least score that the model gives a candidate.
        stability: least overlap of the mask cut `offset` above and below its threshold.
        fewest: so many masks are kept although they are less certain, the most certain ones: scores of other
            models than Segment Anything are on other scales. Not published.
        smallest, largest: limits of a mask's side over its image's: of the square roots (2D) or cube roots
            (3D) of their numbers of cells. Published: 200 and 7000 of 200 x 200 pixels.
        duplicate_iou: of two masks that overlap more, the less certain one goes.
    """

    score: float = 0.9
    stability: float = 0.9
    offset: float = 1.0
    fewest: int = 50
    smallest: float = (200 / 200**2) ** 0.5
    largest: float = (7000 / 200**2) ** 0.5
    duplicate_iou: float = 0.7


@dataclass(frozen=True, eq=False)
class AutomaticMasks:
    """N masks (N, *grid.shape) bool, most certain first; a `certainty` (N,) of 1 and more passes."""

    masks: Tensor
    certainty: Tensor
    grid: Grid


def automatic_masks(
    model: PromptableModel, embedding: Embedding, points: Tensor, filters: Filters | None = None
) -> AutomaticMasks:
    """Return the masks that clicks at world points (P, ndim) give and that pass the filters."""
    filters = filters or Filters()
    index = world_to_index(embedding.image_grid, points).to(embedding.features)
    device = index.device
    masks = [torch.zeros(0, *embedding.mask_grid.shape, dtype=torch.bool, device=device)]
    sure = [torch.zeros(0, device=device)]
    for batch in index.split(BATCH):
        labels = torch.ones(len(batch), 1, dtype=torch.long, device=device)
        found = model.decode(embedding, batch[:, None], labels)
        logits = found.logits.detach().flatten(0, 1).float()
        sized = of_fitting_size(logits > 0, filters)
        certain = certainty(logits[sized], found.scores.detach().flatten()[sized].float(), filters)
        kept = distinct(logits[sized] > 0, certain, filters.duplicate_iou)
        masks.append(logits[sized][kept] > 0)
        sure.append(certain[kept])
    return _chosen(torch.cat(masks), torch.cat(sure), filters, embedding.mask_grid)


def click_grid(region: Tensor, grid: Grid, per_side: int) -> Tensor:
    """Return world points (P, ndim) float64 of a regular lattice within a region (*grid.shape) bool.

    The lattice has `per_side` points along the longest side, and the same distance in the world along the
    others, or one point for each cell where cells are larger.
    """
    step = float(grid.extent.max()) / per_side
    shape = [max(1, min(round(float(e) / step), n)) for e, n in zip(grid.extent, grid.shape, strict=True)]
    points = world_coordinates(resized(grid, shape), region.device).double().flatten(0, -2)
    inside = sample(region[None].float(), world_to_index(grid, points), mode="nearest", padding="border")[0]
    return points[inside > 0.5]


def of_fitting_size(masks: Tensor, filters: Filters) -> Tensor:
    """Return (N,) bool, which masks (N, *shape) bool are neither too small nor too large."""
    side = masks.flatten(1).float().mean(1) ** (1 / (masks.ndim - 1))
    return (side >= filters.smallest) & (side <= filters.largest)


def certainty(logits: Tensor, scores: Tensor, filters: Filters) -> Tensor:
    """Return (N,) the lesser of score and stability, each over the least one that is asked for."""
    return torch.minimum(scores / filters.score, stability(logits, filters.offset) / filters.stability)


def stability(logits: Tensor, offset: float) -> Tensor:
    """Return (N,) the overlap of masks (N, *shape) cut `offset` above and below zero; 0 if empty."""
    upper = (logits > offset).flatten(1).sum(1)
    lower = (logits > -offset).flatten(1).sum(1)
    return upper / lower.clamp(min=1)


def distinct(masks: Tensor, certain: Tensor, iou: float) -> Tensor:
    """Return (N,) bool, which masks (N, *shape) bool overlap no more certain kept one by more than `iou`."""
    flat = masks.flatten(1).float()
    both, size = flat @ flat.T, flat.sum(1)
    repeats = both > iou * (size[:, None] + size - both)
    kept: list[int] = []
    for number in certain.argsort(descending=True, stable=True).tolist():
        if not bool(repeats[number, kept].any()):
            kept.append(number)
    result = torch.zeros(len(masks), dtype=torch.bool, device=masks.device)
    result[kept] = True
    return result


def _chosen(masks: Tensor, certain: Tensor, filters: Filters, grid: Grid) -> AutomaticMasks:
    """The distinct masks that pass, or the `fewest` most certain ones, sorted."""
    order = certain.argsort(descending=True, stable=True)
    passing = int((certain >= 1).sum())
    order = order[: max(passing, 8 * filters.fewest)]
    order = order[distinct(masks[order], certain[order], filters.duplicate_iou)]
    passing = int((certain[order] >= 1).sum())
    order = order[: max(passing, filters.fewest)]
    return AutomaticMasks(masks[order], certain[order], grid)
