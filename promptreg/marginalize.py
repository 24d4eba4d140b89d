"""Marginalization over views (Sec. 3.2): averages of mask probabilities over those that see a cell.

Probabilities of K prompts in J views are (K, J, *grid), already brought to one grid; `visible` says
which cells a view has seen, as (K, J, *grid) bool or anything that broadcasts to it.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def average(
    probabilities: Tensor, visible: Tensor, how: Literal["mean", "median"] = "mean"
) -> tuple[Tensor, Tensor, Tensor]:
    """Average over the views that see a cell: R = sum_j v_j R_j / sum_j v_j, or their median.

    Returns the average, the variance between these views (about their mean), and their number, each
    (K, *grid); a cell that no view sees is zero in all three. One view that sees everything is
    returned unchanged.
    """
    seen = visible.expand_as(probabilities)
    weight = seen.sum(1).to(probabilities)
    share = weight.clamp(min=1)
    masked = probabilities.where(seen, torch.zeros_like(probabilities))
    mean = masked.sum(1) / share
    deviation = (probabilities - mean[:, None]).where(seen, torch.zeros_like(probabilities))
    variance = deviation.square().sum(1) / share
    return (mean if how == "mean" else _median(probabilities, seen)), variance, weight


def entropy(mean: Tensor) -> Tensor:
    """Return the entropy (same shape, bits) of averaged probabilities: 0 where certain, 1 at one half."""
    return (torch.special.entr(mean) + torch.special.entr(1 - mean)) / math.log(2)


def view_overlap(probabilities: Tensor, visible: Tensor) -> Tensor:
    """Return (K, J) intersection over union of each view's ROI with the first view's, where both see.

    It is 1 for two empty ROIs. A view far below the others is an outlier (a flip that took one
    kidney for the other); the median average is robust to it.
    """
    seen = visible.expand_as(probabilities)
    both = (seen & seen[:, :1]).flatten(2)
    roi = (probabilities >= 0.5).flatten(2)
    intersection = (roi & roi[:, :1] & both).sum(2)
    union = ((roi | roi[:, :1]) & both).sum(2)
    return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)


def view_cosine(prototypes: Tensor) -> Tensor:
    """Return (K, J) cosine of each view's prototype with the first view's, from prototypes (K, J, C)."""
    return cosine_similarity(prototypes, prototypes[:, :1], dim=-1)


def _median(probabilities: Tensor, seen: Tensor) -> Tensor:
    """Median over the seen views, (K, *grid); the two middle ones are averaged, zero where none sees."""
    number = seen.sum(1, keepdim=True)
    ordered = probabilities.where(seen, torch.full_like(probabilities, torch.inf)).sort(1).values
    low = ordered.gather(1, ((number - 1) // 2).clamp(min=0))
    high = ordered.gather(1, (number // 2).clamp(max=probabilities.shape[1] - 1))
    middle = torch.where(low == high, low, (low + high) / 2)
    return middle.where(number > 0, torch.zeros_like(middle)).squeeze(1)
