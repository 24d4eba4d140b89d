"""One batch: the images of synthetic pairs, regions that both images of a pair show, matching points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from promptreg.synth import SynthPairs
from promptreg.training.regions import chosen_regions, membership, region_masks

POINTS = 64
"""Matching points in each pair."""

BACKGROUND_WEIGHT = 0.3
"""How often a point falls on a cell of the background, compared with one of an object."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs as 2 B images: all first ones, then all second ones; `partners` swaps them.

    Attributes:
        images: (2B, 3, H, W) in [0, 1].
        truth: (2B, R, H/2, W/2) share of each mask cell that each region covers.
        shares: (2B, R, H/4, W/4) the same for cells of the embedding.
        valid: (2B, R) bool, whether there is a region.
        points: (2B, N, 2) y, x in pixels, and
        targets: (2B, N, 2) where they lie in the partner.
        matched: (2B, N) bool, whether that is known and inside.
    """

    images: Tensor
    truth: Tensor
    shares: Tensor
    valid: Tensor
    points: Tensor
    targets: Tensor
    matched: Tensor


def partners(per_image: Tensor) -> Tensor:
    """Reorder (2B, ...) so that each item becomes that of the other image of its pair."""
    return per_image.roll(len(per_image) // 2, 0)


def make_batch(
    pairs: SynthPairs, n_regions: int, generator: torch.Generator, *, area_power: float = 0.0
) -> Batch:
    """Choose regions and points of synthetic pairs; seconds serve as firsts too.

    Regions are chosen by their area to `area_power`.
    """
    member = membership(pairs.parents)
    ids, valid = chosen_regions(
        pairs.first_labels, pairs.second_labels, member, n_regions, generator, area_power=area_power
    )
    masks = torch.cat(
        [region_masks(labels, member, ids) for labels in (pairs.first_labels, pairs.second_labels)]
    )
    points = _points(pairs.first_labels, generator)
    targets = _at_cells(pairs.flow, points)
    upper = torch.tensor(pairs.flow.shape[1:3], device=targets.device) - 1
    matched = pairs.exact[:, None] & ((targets >= 0) & (targets <= upper)).all(-1)
    return Batch(
        images=torch.cat([pairs.first, pairs.second]),
        truth=functional.avg_pool2d(masks, 2),
        shares=functional.avg_pool2d(masks, 4),
        valid=valid.repeat(2, 1),
        points=torch.cat([points.float(), targets]),
        targets=torch.cat([targets, points.float()]),
        matched=matched.repeat(2, 1),
    )


def _points(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw cells (B, N, 2) of label maps (B, H, W), mostly on objects."""
    weights = torch.where(labels.flatten(1) > 0, 1.0, BACKGROUND_WEIGHT)
    flat = torch.multinomial(weights, POINTS, replacement=True, generator=generator)
    width = labels.shape[-1]
    return torch.stack([flat // width, flat % width], dim=-1)


def _at_cells(flow: Tensor, cells: Tensor) -> Tensor:
    """Read (B, H, W, 2) at integer cells (B, N, 2)."""
    item = torch.arange(len(flow), device=flow.device)[:, None]
    return flow[item, cells[..., 0], cells[..., 1]]
