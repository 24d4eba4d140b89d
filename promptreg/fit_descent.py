"""Coarse-to-fine descent of the fit: which coefficients of a family agree best with regions and images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.config import Fit
from promptreg.fit_levels import distance_layers, mask_layers
from promptreg.fit_losses import sdf_loss, soft_dice_loss
from promptreg.image_terms import ImageTerms
from promptreg.parametrizations import Parametrization, parametrizations
from promptreg.types import Grid, RoiPairs

PATIENCE = 8
"""A level ends after so many steps without a gain of TOLERANCE."""
TOLERANCE = 3e-5
"""Gain of the loss (1 - Dice, mean over the regions) that still counts."""
LAST_STEP = 0.1
"""Length of a level's last step, as a fraction of its first (cosine decay)."""

Images = Callable[[Grid, np.ndarray], ImageTerms | None]
"""The image terms on a grid, through a start; none where no image takes part."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended: the finest family, its coefficients, and (level, loss) of every step."""

    family: Parametrization
    coefficients: Tensor
    history: list[tuple[int, float]]


def descend(
    rois: RoiPairs,
    images: Images,
    config: Fit,
    *,
    grids: Sequence[Grid],
    start: np.ndarray,
    seconds: dict[str, float] | None = None,
) -> Descent:
    """Fit a family of deformations coarse to fine, by Adam; the identity where nothing is to be compared.

    Args:
        rois: region pairs; those of zero weight do not count.
        images: what of the images joins the regions, or stands for them where none has a weight.
        config: settings.
        grids: of one field of view, finest first.
        start: homogeneous world map, fixed to moving, that follows the deformation.
        seconds: wall time of each "level_*" is added here.
    """
    fields = parametrizations(
        config.parametrization, grids, control_cells=config.control_cells, device=rois.fixed.device
    )
    history = list[tuple[int, float]]()
    coefficients = fields[-1].zeros()
    for level in reversed(range(len(grids))):
        begin = time.perf_counter()
        if level + 1 < len(grids):
            coefficients = fields[level + 1].refine(coefficients, fields[level])
        terms = images(grids[level], start)
        if terms is not None or bool(rois.weights.sum() > 0):
            objective = _objective(fields[level], rois, terms, config, start=start)
            step = config.learning_rate * float(grids[level].spacing.min())
            coefficients, losses = _minimize(objective, coefficients, step=step, iterations=config.iterations)
            history += [(level, loss) for loss in losses]
        if seconds is not None:
            seconds[f"level_{level}"] = time.perf_counter() - begin
    return Descent(fields[0], coefficients, history)


def _objective(
    family: Parametrization, rois: RoiPairs, images: ImageTerms | None, config: Fit, *, start: np.ndarray
) -> Callable[[Tensor], Tensor]:
    """The loss of coefficients: weighted mean of the regions' losses, roughness, image terms if any."""
    measure, layers = {"dice": (soft_dice_loss, mask_layers), "sdf": (sdf_loss, distance_layers)}[config.loss]
    total = rois.weights.sum()
    regions = layers(rois, family.grid) if total > 0 else None

    def objective(coefficients: Tensor) -> Tensor:
        field = family.displacement(coefficients)
        loss = field.new_zeros(())
        if regions is not None:
            loss = (rois.weights / total * measure(regions.moved(start, field), regions.fixed)).sum()
        if images is not None:
            loss = loss + images(field)
        return loss + config.weight * family.penalty(coefficients, config.regularization)

    return objective


def _minimize(
    objective: Callable[[Tensor], Tensor], start: Tensor, *, step: float, iterations: int
) -> tuple[Tensor, list[float]]:
    """Minimize by Adam with a cosine decay of the step; the best coefficients seen, and every loss."""
    coefficients = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([coefficients], lr=step)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations, eta_min=LAST_STEP * step)
    best, losses = start, list[float]()
    for _ in range(iterations + 1):
        optimizer.zero_grad()
        loss = objective(coefficients)
        if not losses or loss.item() < min(losses):
            best = coefficients.detach().clone()
        losses.append(loss.item())
        if len(losses) > PATIENCE and min(losses[:-PATIENCE]) - min(losses) < TOLERANCE:
            break
        loss.backward()
        optimizer.step()
        decay.step()
    return best, losses
