"""From what was found in every view to corresponding ROI pairs: marginalize, then judge (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from promptreg.alignment import moments
from promptreg.config import Marginalize
from promptreg.consensus import disagreement
from promptreg.marginalize import average
from promptreg.sanity import judge
from promptreg.search import Rois
from promptreg.selection import selected
from promptreg.types import PointPrompts, RoiPairs


@dataclass(frozen=True, eq=False)
class Correspondences:
    """K ROI pairs averaged over views, and why some of them are not used.

    Attributes:
        rois: mean probabilities; the weight of a rejected pair is 0.
        moving_variance, fixed_variance: variance over the views, on the mask grids.
        reasons: K texts, empty for an accepted pair.
        prompts: the given points, on the moving image.
        points, labels: (K, P, ndim) and (K, P) found points of the untransformed view, fixed world.
    """

    rois: RoiPairs
    moving_variance: Tensor
    fixed_variance: Tensor
    reasons: tuple[str, ...]
    prompts: PointPrompts
    points: Tensor
    labels: Tensor


def correspond(
    rois: Rois, config: Marginalize, *, prealignment: np.ndarray, prior: np.ndarray | None = None
) -> Correspondences:
    """Average each prompt's ROIs over its views, and reject the pairs that fail a sanity check.

    Of the prompts and views only those that the configuration asks for are used, see `promptreg.selection`.
    `prealignment` (fixed to moving) and a reliable global `prior` (moving to fixed) are homogeneous world
    maps: motions on which the pairs may agree.
    """
    rois = selected(rois, config)
    seen = rois.visible.flatten(2).any(-1)
    moving, moving_variance, _ = average(rois.moving, rois.visible, config.average)
    everywhere = seen.view(*seen.shape, *[1] * rois.fixed_grid.ndim).expand_as(rois.fixed)
    fixed, fixed_variance, _ = average(rois.fixed, everywhere, config.average)
    cycle = (rois.cycle & seen).sum(1) / seen.sum(1).clamp(min=1)
    pairs = RoiPairs(
        moving, fixed, rois.moving_grid, rois.fixed_grid, torch.ones(len(moving), device=moving.device)
    )
    reasons = judge(pairs, cycle=cycle, settings=config)
    if config.consensus is not None:
        known = [np.linalg.inv(prealignment), *([] if prior is None else [prior])]
        reasons = lonely(pairs, reasons, known, config.consensus * float(rois.fixed_grid.extent.max()))
    accepted = torch.tensor([not reason for reason in reasons], dtype=moving.dtype, device=moving.device)
    return Correspondences(
        replace(pairs, weights=accepted),
        moving_variance,
        fixed_variance,
        tuple(reasons),
        rois.prompts,
        rois.points[:, 0],
        rois.labels[:, 0],
    )


def lonely(
    pairs: RoiPairs, reasons: Sequence[str], motions: Sequence[np.ndarray], tolerance: float
) -> list[str]:
    """Return the reasons, with one added for each accepted pair that moves unlike the others.

    `motions` are homogeneous world maps, moving to fixed; `tolerance` is a length.
    """
    found = list(reasons)
    kept = [number for number, reason in enumerate(reasons) if not reason]
    if not kept:
        return found
    moving = moments(pairs.moving[kept], pairs.moving_grid).centroid.double().cpu().numpy()
    fixed = moments(pairs.fixed[kept], pairs.fixed_grid).centroid.double().cpu().numpy()
    for number, distance in zip(kept, disagreement(moving, fixed, motions, tolerance), strict=True):
        if distance > tolerance:
            found[number] = (
                f"moves unlike the others: {distance:.0f} {pairs.fixed_grid.unit} off their motion"
            )
    return found
