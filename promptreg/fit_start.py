"""Closed-form starts of the fit: affine maps between the centroids of corresponding regions.

Every map is a homogeneous world map, fixed to moving, the pre-alignment included. A ridge pulls the
linear part towards the pre-alignment's, so that few or badly spread regions give no wild map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor

from promptreg.fit_levels import mask_layers
from promptreg.fit_losses import soft_dice_loss
from promptreg.geometry import world_coordinates
from promptreg.types import Grid, RoiPairs

CENTROID_SIGMA = 0.03
"""Expected scatter of a centroid about an affine map, fraction of the longest side: the scale of outliers."""
LINEAR_SIGMA = 0.3
"""Expected deviation of the linear part's entries from the pre-alignment's."""
REWEIGHTINGS = 10

Solver = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]


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
    ndim = rois.fixed_grid.ndim
    starts = {"prealignment": np.asarray(prealignment, float)}
    used = rois.weights > 0
    source = centroids(rois.fixed[used], rois.fixed_grid) @ prealignment[:-1, :-1].T + prealignment[:-1, -1]
    target = centroids(rois.moving[used], rois.moving_grid)
    weights = rois.weights[used].double().cpu().numpy()
    length = float(rois.fixed_grid.extent.max())
    if kind != "none" and len(weights):
        starts["translation"] = _translation(source, target, weights) @ prealignment
    if kind == "affine" and len(weights) >= 2:
        starts["similarity"] = _robust(_similarity, source, target, weights, length) @ prealignment
    if kind == "affine" and len(weights) > ndim:
        starts["affine"] = _robust(_affine, source, target, weights, length) @ prealignment
    if initial is not None:
        starts["initial"] = np.asarray(initial, float)
    return {
        name: start
        for name, start in starts.items()
        if name == "prealignment" or _is_sane(start, prealignment)
    }


def best_start(rois: RoiPairs, candidates: Mapping[str, np.ndarray], grid: Grid) -> tuple[str, np.ndarray]:
    """Return the name and map with the highest weighted mean soft Dice on `grid`; the first of equals."""
    if not bool(rois.weights.sum() > 0):
        name = "initial" if "initial" in candidates else next(iter(candidates))
        return name, candidates[name]
    masks = mask_layers(rois, grid)
    losses = {name: soft_dice_loss(masks.moved(start), masks.fixed) for name, start in candidates.items()}
    name = min(losses, key=lambda name: float((rois.weights * losses[name]).sum()))
    return name, candidates[name]


def _is_sane(start: np.ndarray, prealignment: np.ndarray) -> bool:
    relative = start[:-1, :-1] @ np.linalg.inv(prealignment[:-1, :-1])
    stretch = np.linalg.svd(relative, compute_uv=False)
    return bool(np.linalg.det(relative) > 0 and stretch.max() < 3 and stretch.min() > 1 / 3)


def _homogeneous(linear: np.ndarray, source_center: np.ndarray, target_center: np.ndarray) -> np.ndarray:
    matrix = np.eye(len(linear) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = target_center - linear @ source_center
    return matrix


def _translation(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean shift; world map (ndim + 1, ndim + 1)."""
    means = [np.average(points, axis=0, weights=weights) for points in (source, target)]
    return _homogeneous(np.eye(source.shape[1]), *means)


def _moments(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray, length: float
) -> tuple[np.ndarray, ...]:
    """Centres, target-source and source covariance, both with the ridge of the prior on the linear part."""
    mean_source, mean_target = (np.average(points, axis=0, weights=weights) for points in (source, target))
    ridge = (CENTROID_SIGMA * length / LINEAR_SIGMA) ** 2 / len(weights) * np.eye(source.shape[1])
    share = (weights / weights.sum())[:, None]
    cross = (target - mean_target).T @ (share * (source - mean_source)) + ridge
    own = (source - mean_source).T @ (share * (source - mean_source)) + ridge
    return mean_source, mean_target, cross, own


def _affine(source: np.ndarray, target: np.ndarray, weights: np.ndarray, length: float) -> np.ndarray:
    """Ridge regression of the targets on the sources."""
    mean_source, mean_target, cross, own = _moments(source, target, weights, length)
    return _homogeneous(cross @ np.linalg.inv(own), mean_source, mean_target)


def _similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray, length: float) -> np.ndarray:
    """Umeyama's closed form (IEEE TPAMI 13(4), 1991) on the ridged moments."""
    mean_source, mean_target, cross, own = _moments(source, target, weights, length)
    u, singular, vt = np.linalg.svd(cross)
    signs = np.ones(len(singular))
    signs[-1] = np.sign(np.linalg.det(u @ vt))
    linear = (singular * signs).sum() / np.trace(own) * (u * signs) @ vt
    return _homogeneous(linear, mean_source, mean_target)


def _robust(
    solve: Solver, source: np.ndarray, target: np.ndarray, weights: np.ndarray, length: float
) -> np.ndarray:
    """Iterate `solve` with Geman-McClure weights, so that one wrong pair cannot tilt the map."""
    scale = CENTROID_SIGMA * length
    current = weights
    for _ in range(REWEIGHTINGS):
        matrix = solve(source, target, current, length)
        residual = np.linalg.norm(source @ matrix[:-1, :-1].T + matrix[:-1, -1] - target, axis=1)
        current = weights / (1 + (residual / max(scale, float(np.median(residual)))) ** 2) ** 2
    return solve(source, target, current, length)
