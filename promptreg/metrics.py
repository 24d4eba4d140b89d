"""Measures of one registered pair: overlap, distances, and regularity of the field.

Moving labels are warped through the canonical field once, linearly and structure by structure, and a
cell belongs to a structure where its value is at least one half. Everything is measured on the fixed
image's own grid. Nothing is dropped: a structure that cannot be measured yields rows that say why.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.config import Evaluate
from promptreg.geometry import jacobian_determinant, transform_points, warp
from promptreg.labelmaps import one_hot
from promptreg.records import MetricRow
from promptreg.types import Ddf, Grid

LOG_FLOOR, LOG_CEILING = 1e-9, 1e9


def evaluate_pair(
    ddf: Ddf,
    *,
    moving_grid: Grid,
    moving_labels: np.ndarray | None,
    fixed_labels: np.ndarray | None,
    moving_landmarks: np.ndarray | None,
    fixed_landmarks: np.ndarray | None,
    label_names: Mapping[int, str],
    config: Evaluate,
) -> list[MetricRow]:
    """Measure one pair on the fixed image's grid.

    Labels are integer maps on the moving and the fixed grid; landmarks are (N, ndim) world points
    x, y(, z), row n of one corresponding to row n of the other. `label_names` says which structures are
    measured; every positive label if it is empty. Raises ValueError on shapes that do not fit.
    """
    rows = field_rows(ddf)
    if moving_labels is not None and fixed_labels is not None:
        _check_shape("moving labels", moving_labels, moving_grid)
        _check_shape("fixed labels", fixed_labels, ddf.grid)
        names = dict(label_names) or _all_labels(moving_labels, fixed_labels)
        rows += label_rows(ddf, moving_grid, moving_labels, fixed_labels, names=names, config=config)
    elif moving_labels is not None or fixed_labels is not None:
        rows += _missing_rows(("dice", "centroid_tre"), "label map", moving_labels is None)
    if moving_landmarks is not None and fixed_landmarks is not None:
        rows += landmark_rows(ddf, fixed_landmarks, moving_landmarks)
    elif moving_landmarks is not None or fixed_landmarks is not None:
        rows += _missing_rows(("landmark_tre",), "landmarks", moving_landmarks is None)
    return rows


def field_rows(ddf: Ddf) -> list[MetricRow]:
    """Return the rows of `folds` (percent of cells that fold) and `sdlogj`."""
    folds, sdlogj = regularity(jacobian_determinant(ddf))
    return [MetricRow("", "folds", folds, "%"), MetricRow("", "sdlogj", sdlogj, "")]


def regularity(determinant: Tensor) -> tuple[float, float]:
    """Return the percentage of determinants <= 0, and the population SD of the log determinant.

    The folds are counted before the determinants are clipped to [1e-9, 1e9] for the logarithm.
    """
    folds = 100 * (determinant <= 0).double().mean()
    logarithm = determinant.double().clamp(LOG_FLOOR, LOG_CEILING).log()
    return float(folds), float(logarithm.std(correction=0))


def landmark_rows(ddf: Ddf, fixed: np.ndarray, moving: np.ndarray) -> list[MetricRow]:
    """Return the rows of mean, median and largest landmark TRE, in world units."""
    errors = landmark_errors(ddf, torch.as_tensor(fixed).double(), torch.as_tensor(moving).double())
    unit = ddf.grid.unit
    return [
        MetricRow("", "landmark_tre", float(errors.mean()), unit),
        MetricRow("", "landmark_tre_median", float(errors.quantile(0.5)), unit),
        MetricRow("", "landmark_tre_max", float(errors.max()), unit),
    ]


def landmark_errors(ddf: Ddf, fixed: Tensor, moving: Tensor) -> Tensor:
    """Return |T(fixed point) - moving point| of landmarks (N, ndim) in world units, (N,)."""
    if fixed.shape != moving.shape or fixed.ndim != 2 or fixed.shape[1] != ddf.grid.ndim or len(fixed) == 0:
        msg = (
            f"landmarks must be two tables of the same N >= 1 rows and {ddf.grid.ndim} columns; found "
            f"{tuple(fixed.shape)} fixed and {tuple(moving.shape)} moving"
        )
        raise ValueError(msg)
    return torch.linalg.norm(transform_points(ddf, fixed) - moving, dim=1)


def label_rows(
    ddf: Ddf,
    moving_grid: Grid,
    moving_labels: np.ndarray,
    fixed_labels: np.ndarray,
    *,
    names: Mapping[int, str],
    config: Evaluate,
) -> list[MetricRow]:
    """Return the rows of every structure in `names` (label value to name)."""
    values = list(names)
    moving, fixed = one_hot(moving_labels, values), one_hot(fixed_labels, values)
    warped = warp(moving.float(), moving_grid, ddf) >= 0.5
    rows: list[MetricRow] = []
    for k, name in enumerate(names.values()):
        lacking = [side for side, mask in (("moving", moving[k]), ("fixed", fixed[k])) if not mask.any()]
        if lacking:
            reason = f"no cell of label {values[k]} in the {' and the '.join(lacking)} label map"
            rows += [
                MetricRow(name, m, np.nan, u, "absent", reason) for m, u in _units(ddf.grid, config).items()
            ]
        else:
            rows += structure_rows(name, warped[k], fixed[k], grid=ddf.grid, config=config)
    return rows


def structure_rows(
    name: str, warped: Tensor, fixed: Tensor, *, grid: Grid, config: Evaluate
) -> list[MetricRow]:
    """Return the rows of one structure from its boolean masks (*grid.shape); `fixed` is not empty."""
    units = _units(grid, config)
    hausdorff = f"hd{config.hd_percentile:g}"
    volume = float(fixed.sum()) * abs(np.linalg.det(grid.affine[:-1, :-1]))
    if not warped.any():
        values = dict.fromkeys(units, np.nan) | {"dice": 0.0, "nsd": 0.0, "volume": volume}
        values["centroid_tre_penalized"] = float(np.linalg.norm(grid.extent))
        reason = "the warped structure has no cell inside the fixed image"
        return [MetricRow(name, m, v, units[m], "empty", reason) for m, v in values.items()]
    offset = centroid(warped) - centroid(fixed)
    tre = float(np.linalg.norm(grid.affine[:-1, :-1] @ offset.numpy()))
    distance, surface = surface_measures(warped, fixed, grid=grid, config=config)
    values = {
        "dice": 100 * float(dice(warped, fixed)),
        "centroid_tre": tre,
        "centroid_tre_px": float(torch.linalg.norm(offset)),
        "centroid_tre_penalized": tre,
        hausdorff: distance,
        "nsd": 100 * surface,
        "volume": volume,
    }
    return [MetricRow(name, metric, value, units[metric]) for metric, value in values.items()]


def dice(first: Tensor, second: Tensor) -> Tensor:
    """Return the Dice overlap in [0, 1] of two boolean masks (*spatial); 0 where both are empty."""
    total = first.sum() + second.sum()
    return 2 * (first & second).sum() / total.clamp(min=1)


def centroid(mask: Tensor) -> Tensor:
    """Return the mean index coordinates (ndim,), float64, of a boolean mask that is not empty."""
    return mask.nonzero().double().mean(0)


def surface_measures(warped: Tensor, fixed: Tensor, *, grid: Grid, config: Evaluate) -> tuple[float, float]:
    """Return the Hausdorff distance at the configured percentile (world units) and the NSD in [0, 1].

    Masks (*grid.shape) are boolean and not empty; surfaces are boundary cells, distances use the
    spacing, and the Hausdorff distance is the larger of the two directed percentiles.
    """
    distances = _surface_distances(warped.cpu().numpy(), fixed.cpu().numpy(), grid.spacing)
    hausdorff = max(float(np.percentile(one, config.hd_percentile)) for one in distances)
    return hausdorff, float((np.concatenate(distances) <= config.nsd_tolerance).mean())


def _surface_distances(first: np.ndarray, second: np.ndarray, spacing: np.ndarray) -> list[np.ndarray]:
    """Distances of the boundary cells of each mask to those of the other, in their common bounding box."""
    box = ndimage.find_objects((first | second).astype(np.uint8))[0]
    edges = [mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (first, second)]
    fields = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return [fields[1][edges[0]], fields[0][edges[1]]]


def _units(grid: Grid, config: Evaluate) -> dict[str, str]:
    """The measures of a structure, in output order, and their units."""
    return {
        "dice": "%",
        "centroid_tre": grid.unit,
        "centroid_tre_px": "px",
        "centroid_tre_penalized": grid.unit,
        f"hd{config.hd_percentile:g}": grid.unit,
        "nsd": "%",
        "volume": f"{grid.unit}{grid.ndim}",
    }


def _missing_rows(metrics: tuple[str, ...], what: str, moving_is_missing: bool) -> list[MetricRow]:
    reason = f"the pair names no {what} for its {'moving' if moving_is_missing else 'fixed'} image"
    return [MetricRow("", metric, np.nan, "", "absent", reason) for metric in metrics]


def _all_labels(moving: np.ndarray, fixed: np.ndarray) -> dict[int, str]:
    return {int(v): str(v) for v in np.union1d(np.unique(moving), np.unique(fixed)) if v > 0}


def _check_shape(what: str, labels: np.ndarray, grid: Grid) -> None:
    if labels.shape != grid.shape:
        msg = f"the {what} have shape {labels.shape}, expected {grid.shape}, that of their image"
        raise ValueError(msg)
