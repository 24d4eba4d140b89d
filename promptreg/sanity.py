"""Filters that reject doubtful ROI pairs, each with one reason in words."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from promptreg.config import Marginalize
from promptreg.types import Grid, RoiPairs

THRESHOLD = 0.5
MIN_CYCLE = 0.5


def area_ratio(moving: Tensor, moving_grid: Grid, fixed: Tensor, fixed_grid: Grid) -> Tensor:
    """Return (K,) float64 physical size of each fixed ROI over that of its moving ROI, at probability 0.5.

    `moving` (K, *moving_grid.shape), `fixed` (K, *fixed_grid.shape). Zero where the fixed ROI alone is
    empty, infinite where the moving one alone is, NaN where both are.
    """
    return _size(fixed, fixed_grid) / _size(moving, moving_grid)


def overlaps(masks: Tensor) -> Tensor:
    """Return (K, K) float32 intersection over union of ROIs (K, *grid) at probability 0.5; 0 if empty."""
    roi = (masks >= THRESHOLD).flatten(1).float()
    intersection = roi @ roi.T
    size = roi.sum(1)
    union = size[:, None] + size[None] - intersection
    return intersection / union.clamp(min=1)


def duplicates(masks: Tensor, iou: float, *, eligible: Tensor | None = None) -> Tensor:
    """Return (K,) int64, the earlier ROI that each of `masks` (K, *grid) repeats, or -1.

    An ROI repeats an earlier one when their intersection over union exceeds `iou`. The greedy rule runs
    in order: an ROI that itself repeats another, or is not `eligible` (K,) bool, is never repeated.
    """
    overlap = overlaps(masks).cpu()
    kept = torch.ones(len(masks), dtype=torch.bool) if eligible is None else eligible.cpu().clone()
    result = torch.full((len(masks),), -1, dtype=torch.int64)
    for k in range(len(masks)):
        earlier = overlap[k, :k].where(kept[:k], torch.zeros(k))
        if kept[k] and k and earlier.max() > iou:
            result[k] = earlier.argmax()
            kept[k] = False
    return result.to(masks.device)


def judge(pairs: RoiPairs, *, cycle: Tensor | None, settings: Marginalize) -> list[str]:
    """Return one reason for each of K pairs, "" for an accepted one; prompts count from 1 in them.

    The tests run in a fixed order and the first to fail speaks: empty ROI, cycle, area ratio, duplicate.
    `cycle` (K,) is the share of views whose prompt, sent back, lands in R^x; a pair passes at one half.
    Both ROIs are compared with those of accepted earlier pairs, since a correspondence neither sends one
    region to two nor two to one.
    """
    ratio = area_ratio(pairs.moving, pairs.moving_grid, pairs.fixed, pairs.fixed_grid)
    shares = cycle if settings.cycle and cycle is not None else torch.ones_like(ratio)
    reasons = [
        _empty(r) or _broken_cycle(share) or _disproportionate(r, settings.area_ratio)
        for r, share in zip(ratio.tolist(), shares.tolist(), strict=True)
    ]
    if settings.duplicate_iou is None:
        return reasons
    for masks, word in ((pairs.moving, "duplicate of"), (pairs.fixed, "same fixed ROI as")):
        eligible = torch.tensor([not reason for reason in reasons], device=masks.device)
        repeated = duplicates(masks, settings.duplicate_iou, eligible=eligible).tolist()
        overlap = overlaps(masks)
        for k, earlier in enumerate(repeated):
            if earlier >= 0:
                reasons[k] = f"{word} prompt {earlier + 1} (IoU {overlap[k, earlier]:.2f})"
    return reasons


def _size(masks: Tensor, grid: Grid) -> Tensor:
    """(K,) float64 area or volume of each ROI in the grid's unit."""
    cell = float(abs(np.linalg.det(grid.affine[:-1, :-1])))
    return (masks >= THRESHOLD).flatten(1).sum(1).double() * cell


def _empty(ratio: float) -> str:
    if np.isnan(ratio):
        return "empty ROIs"
    return {0.0: "empty fixed ROI", np.inf: "empty moving ROI"}.get(ratio, "")


def _broken_cycle(share: float) -> str:
    if share >= MIN_CYCLE:
        return ""
    return f"cycle: {share:.0%} of the views return into the moving ROI, below {MIN_CYCLE:.0%}"


def _disproportionate(ratio: float, limit: float | None) -> str:
    if limit is None or 1 / limit <= ratio <= limit:
        return ""
    larger, name = (ratio, "fixed") if ratio > 1 else (1 / ratio, "moving")
    return f"area ratio {larger:.1f} above {limit:g} ({name} ROI larger)"
