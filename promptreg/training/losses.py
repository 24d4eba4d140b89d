"""Losses on masks and their predicted IoUs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

OTHERS = 0.05
"""Weight of the meanings that fit a click less well than the best one, so that none dies."""


def mask_loss(logits: Tensor, truth: Tensor, *, balanced: float) -> Tensor:
    """Twice the focal loss, `balanced` times the class-balanced cross-entropy, and the Dice loss.

    `logits` (..., h, w) against `truth` of the same shape in [0, 1]; returns (...).
    """
    bce = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    probability = logits.sigmoid()
    miss = truth + probability - 2 * truth * probability
    focal = (miss.square() * bce).mean((-2, -1))
    area = truth.sum((-2, -1))
    inside = (bce * truth).sum((-2, -1)) / area.clamp_min(1)
    outside = (bce * (1 - truth)).sum((-2, -1)) / (1 - truth).sum((-2, -1)).clamp_min(1)
    overlap = (probability * truth).sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + area + 1)
    return 2 * focal + balanced * (inside + outside) / 2 + dice


def intersection_over_union(logits: Tensor, truth: Tensor) -> Tensor:
    """IoU (...) of the masks `logits` > 0 (..., h, w) with `truth` > 0.5."""
    found, true = logits > 0, truth > 0.5
    union = (found | true).sum((-2, -1))
    return (found & true).sum((-2, -1)) / union.clamp_min(1)


def segmentation_loss(
    logits: Tensor, predicted: Tensor, truth: Tensor, single: Tensor, valid: Tensor, *, balanced: float
) -> tuple[Tensor, Tensor]:
    """Loss of masks and of predicted IoUs over the valid prompts.

    `logits` (B, K, 4, h, w), `predicted` (B, K, 4), `truth` (B, K, h, w); `single` (B, K) bool marks
    prompts of one click: of the three meanings the best one counts. Otherwise the first mask does.
    """
    wide = truth[:, :, None].expand_as(logits)
    each = mask_loss(logits, wide, balanced=balanced)
    meanings = each[..., 1:]
    of_single = (1 - OTHERS) * meanings.amin(-1) + OTHERS * meanings.mean(-1)
    masks = torch.where(single, of_single, each[..., 0])
    actual = intersection_over_union(logits.detach(), wide)
    miss = (predicted - actual).square()
    scores = torch.where(single, miss[..., 1:].mean(-1), miss[..., 0])
    weight = valid / valid.sum().clamp_min(1)
    return (masks * weight).sum(), (scores * weight).sum()
