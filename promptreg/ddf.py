"""From corresponding regions to a dense displacement field (the last step of Sec. 3).

The field is pre-alignment, closed-form start and deformation in one. The deformation is found coarse to
fine by Adam on the regions' disagreement plus a penalty of its roughness, and on that of the images where
it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from promptreg.config import Fit
from promptreg.device import choose_device
from promptreg.fit_levels import Layers, distance_layers, mask_layers, pyramid
from promptreg.fit_losses import sdf_loss, soft_dice_loss
from promptreg.fit_start import best_start, most_alike_start, start_candidates
from promptreg.geometry import jacobian_determinant, voxel_to_ddf
from promptreg.image_terms import INTENSITIES, Embeddings, Features, ImageTerms
from promptreg.parametrizations import Parametrization, StationaryVelocity, parametrizations
from promptreg.types import Ddf, Grid, Pair, RoiPairs

MAX_CELLS = {2: 200, 3: 80}
"""Cells along the longest side of the working grid where the configuration names none."""
PATIENCE = 8
"""A level ends after so many steps without a gain of TOLERANCE."""
TOLERANCE = 3e-5
"""Gain of the loss (1 - Dice, mean over the regions) that still counts."""
MAX_RELAXATIONS = 20
"""Most smoothings of a velocity whose sampled field folds."""
LAST_STEP = 0.1
"""Length of a level's last step, as a fraction of its first (cosine decay)."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted field and how it came about.

    Attributes:
        ddf: the canonical field on the fixed image's own grid.
        start_kind: the start that won: prealignment, translation, similarity, affine or initial.
        roi_dice_start: (K,) Dice of the regions (cut at 0.5, on the working grid) at that start.
        roi_dice: (K,) the same after the fit; NaN for a region that is empty on either image.
        folds_percent: share of the fixed image's cells where the Jacobian determinant is not positive.
        history: (n_steps, 2), level (0 is the finest) and loss.
        seconds_by_phase: wall time of "start", each "level_*" and "finish".
        fitted: False where no usable region was given; `ddf` is then the start alone.
    """

    ddf: Ddf
    start_kind: str
    roi_dice_start: np.ndarray
    roi_dice: np.ndarray
    folds_percent: float
    history: np.ndarray
    seconds_by_phase: Mapping[str, float] = field(default_factory=dict)
    fitted: bool = True


def fit_ddf(
    rois: RoiPairs,
    pair: Pair,
    config: Fit,
    *,
    initial: np.ndarray | None = None,
    embeddings: Embeddings | None = None,
) -> FitResult:
    """Fit a dense displacement field to corresponding regions.

    Args:
        rois: K region pairs; a zero weight or an empty mask leaves a pair out of the fit.
        pair: the images, for the fixed grid, the pre-alignment, and the image terms where some are asked for.
        config: settings.
        initial: homogeneous world map, fixed to moving, pre-alignment included; one more possible start.
        embeddings: of the moving and the fixed image, for the image term "features".

    Raises:
        ValueError: masks, weights and grids disagree in number or shape, a weight is negative, or features
            are asked for without embeddings.
    """
    _check(rois, pair)
    device = choose_device(config.device)
    rois = _usable(rois, device)
    fitted, seconds = bool(rois.weights.sum() > 0), dict[str, float]()
    grids = pyramid(
        pair.fixed.grid, max_cells=config.max_cells or MAX_CELLS[pair.fixed.grid.ndim], levels=config.levels
    )
    terms: dict[str, float] = {name: weight for name, weight in config.image_terms.items() if weight > 0}
    with _timed(seconds, "start"):
        candidates = start_candidates(rois, pair.prealignment, kind=config.start, initial=initial)
        start_kind, start = _chosen(candidates, rois, pair, grids[:2][-1], terms if fitted else {})
        features = Features.of(embeddings, device) if embeddings and "features" in terms else None

    def images(grid: Grid) -> ImageTerms | None:
        return ImageTerms(pair, grid, start, terms, features=features, device=device) if terms else None

    family, coefficients, history = _deform(rois, images, config, grids=grids, start=start, seconds=seconds)
    with _timed(seconds, "finish"):
        voxel, ddf, folds = _unfolded(family, coefficients, pair.fixed.grid, start)
        masks = mask_layers(rois, grids[0])
        before, after = _dice(masks, start, None), _dice(masks, start, voxel)
    return FitResult(ddf, start_kind, before, after, folds, np.array(history).reshape(-1, 2), seconds, fitted)


def _chosen(
    candidates: Mapping[str, np.ndarray], rois: RoiPairs, pair: Pair, coarse: Grid, terms: Mapping[str, float]
) -> tuple[str, np.ndarray]:
    """The start that makes the images most alike where they take part, else the one that regions bear out."""
    if not terms:
        return best_start(rois, candidates, pair.prealignment)
    kind = next((name for name in terms if name in INTENSITIES), INTENSITIES[0])
    return most_alike_start(pair, candidates, coarse, kind=kind, device=rois.fixed.device)


def _deform(
    rois: RoiPairs,
    images: Callable[[Grid], ImageTerms | None],
    config: Fit,
    *,
    grids: Sequence[Grid],
    start: np.ndarray,
    seconds: dict[str, float],
) -> tuple[Parametrization, Tensor, list[tuple[int, float]]]:
    """Fit coarse to fine; the finest family, its coefficients, and (level, loss) of every step.

    The identity where no region has a weight.
    """
    fields = parametrizations(
        config.parametrization, grids, control_cells=config.control_cells, device=rois.fixed.device
    )
    history = list[tuple[int, float]]()
    if not bool(rois.weights.sum() > 0):
        return fields[0], fields[0].zeros(), history
    coefficients = fields[-1].zeros()
    for level in reversed(range(len(grids))):
        with _timed(seconds, f"level_{level}"):
            if level + 1 < len(grids):
                coefficients = fields[level + 1].refine(coefficients, fields[level])
            objective = _objective(fields[level], rois, images(grids[level]), config, start=start)
            step = config.learning_rate * float(grids[level].spacing.min())
            coefficients, losses = _minimize(objective, coefficients, step=step, iterations=config.iterations)
            history += [(level, loss) for loss in losses]
    return fields[0], coefficients, history


def _unfolded(
    family: Parametrization, coefficients: Tensor, grid: Grid, start: np.ndarray
) -> tuple[Tensor, Ddf, float]:
    """Voxel form, canonical form on the native grid, and its folds in percent.

    A velocity gives no folds but for its sampling; where that shows, it is smoothed until none is left.
    """
    for _ in range(MAX_RELAXATIONS + 1):
        voxel = family.displacement(coefficients)
        ddf = voxel_to_ddf(voxel, family.grid, grid, then=start)
        folds = 100 * float((jacobian_determinant(ddf) <= 0).double().mean())
        if folds == 0 or not isinstance(family, StationaryVelocity):
            break
        coefficients = family.relax(coefficients)
    return voxel, ddf, folds


def _objective(
    family: Parametrization, rois: RoiPairs, images: ImageTerms | None, config: Fit, *, start: np.ndarray
) -> Callable[[Tensor], Tensor]:
    """The loss of coefficients: weighted mean of the regions' losses, roughness, image terms if any."""
    measure, layers = {"dice": (soft_dice_loss, mask_layers), "sdf": (sdf_loss, distance_layers)}[config.loss]
    regions, shares = layers(rois, family.grid), rois.weights / rois.weights.sum()

    def objective(coefficients: Tensor) -> Tensor:
        field = family.displacement(coefficients)
        loss = (shares * measure(regions.moved(start, field), regions.fixed)).sum()
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


def _dice(masks: Layers, start: np.ndarray, displacement: Tensor | None) -> np.ndarray:
    """(K,) Dice of the regions cut at 0.5; NaN where one of a pair is empty without any deformation."""
    moved, fixed = masks.moved(start, displacement) > 0.5, masks.fixed > 0.5
    both, sizes = (moved & fixed).flatten(1).sum(1), moved.flatten(1).sum(1) + fixed.flatten(1).sum(1)
    present = fixed.flatten(1).any(1) & (masks.moving > 0.5).flatten(1).any(1)
    return torch.where(present, 2 * both / sizes.clamp(min=1), torch.nan).double().cpu().numpy()


def _usable(rois: RoiPairs, device: torch.device) -> RoiPairs:
    """The regions on a device in float32, with zero weight where one of a pair nowhere reaches 0.5."""
    moving, fixed = rois.moving.to(device).float(), rois.fixed.to(device).float()
    present = (moving > 0.5).flatten(1).any(1) & (fixed > 0.5).flatten(1).any(1)
    weights = torch.where(present, rois.weights.to(device).float(), 0.0)
    return replace(rois, moving=moving, fixed=fixed, weights=weights)


def _check(rois: RoiPairs, pair: Pair) -> None:
    n, name = len(rois.weights), pair.name or "pair"
    expected = {"moving": (n, *rois.moving_grid.shape), "fixed": (n, *rois.fixed_grid.shape)}
    for side, shape in expected.items():
        found = tuple(getattr(rois, side).shape)
        if found != shape:
            msg = f"{name}: {side} regions have shape {found}; expected {shape}, (K, *{side}_grid.shape)"
            raise ValueError(msg)
    if not bool((torch.isfinite(rois.weights) & (rois.weights >= 0)).all()):
        msg = f"{name}: region weights {rois.weights.tolist()}; expected finite numbers, none negative"
        raise ValueError(msg)


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - begin
