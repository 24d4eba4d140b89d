"""Closed-form starts of the fit: affine maps between the centroids of corresponding regions.

Every map is a homogeneous world map, fixed to moving, the pre-alignment included. A ridge pulls the
linear part towards the pre-alignment's, so that few or badly spread regions give no wild map. The map
that best predicts regions it has not seen is the start: the richest one always explains its own best. Where
images take part in the fit, they decide (`image_start`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from promptreg.geometry import world_coordinates
from promptreg.types import Grid, RoiPairs

CENTROID_SIGMA = 0.03
"""Expected scatter of a centroid about an affine map, fraction of the longest side: the scale of outliers."""
LINEAR_SIGMA = 0.3
"""Expected deviation of the linear part's entries from the pre-alignment's."""
REWEIGHTINGS = 10
FORMS = ("translation", "similarity", "affine")
"""Closed forms, simplest first."""


def centroids(masks: Tensor, grid: Grid) -> np.ndarray:
    """Return the world centroids (K, ndim) float64 of masks (K, *grid.shape) in [0, 1], cut at 0.5.

    The faint tails of probabilities would draw every centroid to the middle of the grid.
    """
    world = world_coordinates(grid, masks.device).double().flatten(0, -2)
    mass = (masks * (masks > 0.5)).double().flatten(1)
    return ((mass @ world) / mass.sum(1, keepdim=True)).cpu().numpy()


def start_candidates(
    rois: RoiPairs, prealignment: np.ndarray, *, kind: str = "affine", initial: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return possible starts by name, simplest first; the pre-alignment and `initial` are always among them.

    `kind` is the richest closed form allowed: "none", "translation" or "affine". A similarity asks for
    two regions and an affine map for ndim + 1; maps that fold or stretch threefold are left out.
    """
    regions = _Centroids.of(rois, prealignment)
    starts = {"prealignment": np.asarray(prealignment, float)}
    starts |= {name: solve(regions) @ prealignment for name, solve in _solvers(regions, kind).items()}
    if initial is not None:
        starts["initial"] = np.asarray(initial, float)
    return {
        name: start
        for name, start in starts.items()
        if name == "prealignment" or is_sane(start, prealignment)
    }


def best_start(
    rois: RoiPairs, candidates: Mapping[str, np.ndarray], prealignment: np.ndarray
) -> tuple[str, np.ndarray]:
    """Return the name and map that best predict where regions lie that they were not made from.

    A closed form is made again without each region in turn and must foretell its centroid; the
    pre-alignment and `initial` know none of them. The mean error counts, each capped at three
    `CENTROID_SIGMA`; the first of equals wins, and a form that two regions determine exactly needs a third.
    A single region cannot be left out: its translation counts with an error of one `CENTROID_SIGMA`.
    """
    regions = _Centroids.of(rois, prealignment)
    if not len(regions.weights):
        name = "initial" if "initial" in candidates else next(iter(candidates))
        return name, candidates[name]
    errors = {name: _held_out_error(name, start, regions, prealignment) for name, start in candidates.items()}
    name = min(errors, key=lambda one: errors[one])
    return name, candidates[name]


@dataclass(frozen=True, eq=False)
class _Centroids:
    """Centroids of K used regions: fixed ones as pre-aligned (K, ndim), moving ones, their weights (K,)."""

    source: np.ndarray
    target: np.ndarray
    weights: np.ndarray
    length: float

    @classmethod
    def of(cls, rois: RoiPairs, prealignment: np.ndarray) -> _Centroids:
        used = rois.weights > 0
        fixed = centroids(rois.fixed[used], rois.fixed_grid)
        return cls(
            fixed @ prealignment[:-1, :-1].T + prealignment[:-1, -1],
            centroids(rois.moving[used], rois.moving_grid),
            rois.weights[used].double().cpu().numpy(),
            float(rois.fixed_grid.extent.max()),
        )

    def without(self, number: int) -> _Centroids:
        kept = np.arange(len(self.weights)) != number
        return _Centroids(self.source[kept], self.target[kept], self.weights[kept], self.length)

    def distances(self, matrix: np.ndarray) -> np.ndarray:
        """(K,) between the moving centroids and where `matrix` takes the fixed ones."""
        return np.linalg.norm(self.source @ matrix[:-1, :-1].T + matrix[:-1, -1] - self.target, axis=1)


def _solvers(regions: _Centroids, kind: str) -> dict[str, Callable[[_Centroids], np.ndarray]]:
    """The closed forms that so many regions determine, simplest first."""
    n, ndim = regions.source.shape
    forms = zip(FORMS, (_translation, _similarity, _affine), (1, 2, ndim + 1), strict=True)
    allowed = FORMS[: {"none": 0, "translation": 1, "affine": 3}[kind]]
    return {name: solve for name, solve, least in forms if name in allowed and n >= least}


def _held_out_error(name: str, start: np.ndarray, regions: _Centroids, prealignment: np.ndarray) -> float:
    """Weighted mean error of a start on regions that it has not seen; infinite if it needs all of them."""
    n, sigma = len(regions.weights), CENTROID_SIGMA * regions.length
    errors = regions.distances(start @ np.linalg.inv(prealignment))
    if name in FORMS and n == 1:
        errors = np.full(1, sigma)
    elif name in FORMS:
        for number in range(n):
            others = regions.without(number)
            solve = _solvers(others, "affine").get(name)
            if solve is None:
                return np.inf
            errors[number] = regions.distances(solve(others))[number]
    return float(np.average(errors.clip(max=3 * sigma), weights=regions.weights))


def is_sane(start: np.ndarray, prealignment: np.ndarray) -> bool:
    """Whether a world map neither folds nor stretches threefold, beside the pre-alignment."""
    relative = start[:-1, :-1] @ np.linalg.inv(prealignment[:-1, :-1])
    stretch = np.linalg.svd(relative, compute_uv=False)
    return bool(np.linalg.det(relative) > 0 and stretch.max() < 3 and stretch.min() > 1 / 3)


def _homogeneous(linear: np.ndarray, source_center: np.ndarray, target_center: np.ndarray) -> np.ndarray:
    matrix = np.eye(len(linear) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = target_center - linear @ source_center
    return matrix


def _translation(regions: _Centroids) -> np.ndarray:
    """Weighted mean shift; world map (ndim + 1, ndim + 1)."""
    means = [
        np.average(points, axis=0, weights=regions.weights) for points in (regions.source, regions.target)
    ]
    return _homogeneous(np.eye(regions.source.shape[1]), *means)


def _affine(regions: _Centroids) -> np.ndarray:
    """Ridge regression of the targets on the sources, robustly."""

    def solve(weights: np.ndarray) -> np.ndarray:
        mean_source, mean_target, cross, own = _moments(regions, weights)
        return _homogeneous(cross @ np.linalg.inv(own), mean_source, mean_target)

    return _robust(solve, regions)


def _similarity(regions: _Centroids) -> np.ndarray:
    """Umeyama's closed form (IEEE TPAMI 13(4), 1991) on the ridged moments, robustly."""

    def solve(weights: np.ndarray) -> np.ndarray:
        mean_source, mean_target, cross, own = _moments(regions, weights)
        u, singular, vt = np.linalg.svd(cross)
        signs = np.ones(len(singular))
        signs[-1] = np.sign(np.linalg.det(u @ vt))
        linear = (singular * signs).sum() / np.trace(own) * (u * signs) @ vt
        return _homogeneous(linear, mean_source, mean_target)

    return _robust(solve, regions)


def _moments(regions: _Centroids, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centres, target-source and source covariance, both with the ridge of the prior on the linear part."""
    source, target = regions.source, regions.target
    mean_source, mean_target = (np.average(points, axis=0, weights=weights) for points in (source, target))
    ridge = (CENTROID_SIGMA * regions.length / LINEAR_SIGMA) ** 2 / len(weights) * np.eye(source.shape[1])
    share = (weights / weights.sum())[:, None]
    cross = (target - mean_target).T @ (share * (source - mean_source)) + ridge
    own = (source - mean_source).T @ (share * (source - mean_source)) + ridge
    return mean_source, mean_target, cross, own


def _robust(solve: Callable[[np.ndarray], np.ndarray], regions: _Centroids) -> np.ndarray:
    """Iterate `solve` with Geman-McClure weights, so that one wrong pair cannot tilt the map."""
    current = regions.weights
    for _ in range(REWEIGHTINGS):
        residual = regions.distances(solve(current))
        scale = max(CENTROID_SIGMA * regions.length, float(np.median(residual)))
        current = regions.weights / (1 + (residual / scale) ** 2) ** 2
    return solve(current)
