"""From corresponding regions to a dense displacement field (the last step of Sec. 3).

The field is pre-alignment, closed-form start and deformation in one. The deformation is found coarse to
fine by Adam on the regions' disagreement plus a penalty of its roughness, and on that of the images where
it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from promptreg.config import Fit
from promptreg.device import choose_device
from promptreg.fit_descent import descend
from promptreg.fit_levels import Layers, mask_layers, pyramid
from promptreg.fit_start import best_start, start_candidates
from promptreg.geometry import jacobian_determinant, voxel_to_ddf
from promptreg.image_start import image_start
from promptreg.image_terms import Embeddings, Features, ImageTerms
from promptreg.parametrizations import Parametrization, StationaryVelocity
from promptreg.types import Ddf, Grid, Pair, RoiPairs

MAX_CELLS = {2: 200, 3: 80}
"""Cells along the longest side of the working grid where the configuration names none."""
MAX_RELAXATIONS = 20
"""Most smoothings of a velocity whose sampled field folds."""


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
        fitted: False where there was neither a usable region nor an image term; `ddf` is the start alone.
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
    seconds = dict[str, float]()
    grids = pyramid(
        pair.fixed.grid, max_cells=config.max_cells or MAX_CELLS[pair.fixed.grid.ndim], levels=config.levels
    )
    terms: dict[str, float] = {name: weight for name, weight in config.image_terms.items() if weight > 0}
    with _timed(seconds, "start"):
        features = Features.of(embeddings, device) if embeddings and "features" in terms else None

        def images(grid: Grid, start: np.ndarray) -> ImageTerms | None:
            return ImageTerms(pair, grid, start, terms, features=features, device=device) if terms else None

        candidates = start_candidates(rois, pair.prealignment, kind=config.start, initial=initial)
        if terms:
            start_kind, start = image_start(candidates, rois, pair, images, config, grids=grids)
        else:
            start_kind, start = best_start(rois, candidates, pair.prealignment)
    found = descend(rois, images, config, grids=grids, start=start, seconds=seconds)
    with _timed(seconds, "finish"):
        voxel, ddf, folds = _unfolded(found.family, found.coefficients, pair.fixed.grid, start)
        masks = mask_layers(rois, grids[0])
        before, after = _dice(masks, start, None), _dice(masks, start, voxel)
    history = np.array(found.history).reshape(-1, 2)
    return FitResult(ddf, start_kind, before, after, folds, history, seconds, len(history) > 0)


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
