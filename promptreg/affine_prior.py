"""A global affine map between two images from mutual nearest features: where to look first.

Not in the paper. Features of nearby places vote for one map; the search for corresponding prompts may
then weigh its start maps by the map's prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from promptreg.geometry import antialiased, apply_affine, resized, world_coordinates
from promptreg.types import Embedding, Grid

MAX_CELLS = 3_000
MAX_VOTERS = 600
N_HYPOTHESES = 4_096
VOTE_TOLERANCE = 0.03
TOLERANCE = 0.06
GUIDED_RADII = (0.15, 0.1, 0.07)
MIN_INLIERS = 12
MIN_FRACTION = 0.1
MIN_OVERLAP = 0.4
MIN_AGREEMENT = 0.45
MIN_SCALE, MAX_SCALE, MAX_ANISOTROPY = 0.5, 2.0, 1.6
RIDGE = 0.05


@dataclass(frozen=True, eq=False)
class AffinePrior:
    """A global world map, moving to fixed.

    Attributes:
        matrix: (n + 1, n + 1) float64, homogeneous; the inverse pre-alignment where not `reliable`.
        n_inliers: feature matches that agree with the map.
        inlier_fraction: their share of all mutual matches.
        agreement: mean cosine of the features that the map brings together; 0 by chance.
        reliable: whether the matches determine the map.
        reason: why not, or "".
    """

    matrix: np.ndarray
    n_inliers: int
    inlier_fraction: float
    agreement: float
    reliable: bool
    reason: str = ""


def estimate_affine(
    moving: Embedding, fixed: Embedding, *, prealignment: np.ndarray, seed: int
) -> AffinePrior:
    """Estimate the affine map from the moving to the fixed world; deterministic by `seed`.

    Mutual nearest neighbours among body cells, similarities from minimal samples (RANSAC with a
    truncated quadratic score), then re-matching near the prediction and a regularized affine fit. The
    inverse of `prealignment` (homogeneous, fixed to moving) is one of the hypotheses and the answer
    where the matches do not determine a plausible map.
    """
    fallback = np.linalg.inv(prealignment)
    features, places, unit = _comparable_cells(moving, fixed, fallback)
    similarity = features[0] @ features[1].T
    pairs = _mutual_matches(similarity)
    if len(pairs) < MIN_INLIERS:
        return AffinePrior(fallback, 0, 0.0, 0.0, False, f"only {len(pairs)} mutual feature matches")
    voters = pairs[:MAX_VOTERS]
    start = _best_similarity(places[0][voters[:, 0]], places[1][voters[:, 1]], seed)
    matrix = _guided_fit(similarity, places, start)
    agree = _residuals(matrix[None], places[0][pairs[:, 0]], places[1][pairs[:, 1]])[0] <= TOLERANCE
    n_inliers, fraction = int(agree.sum()), float(agree.double().mean())
    world = np.linalg.inv(unit) @ matrix.double().cpu().numpy() @ unit @ fallback
    agreement, overlap = _feature_agreement(similarity, places, matrix)
    reason = _doubts(world, n_inliers, fraction, agreement, overlap)
    return AffinePrior(fallback if reason else world, n_inliers, fraction, agreement, not reason, reason)


def _comparable_cells(
    moving: Embedding, fixed: Embedding, start: np.ndarray
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], np.ndarray]:
    """Return unit features (N, C) and places (N, n) of both images, and the frame of the places.

    Places are in the fixed world (moving ones carried by `start`), centred on the fixed image and in
    units of its longest side; `unit` (n + 1, n + 1) maps the world to that frame.
    """
    ndim = fixed.feature_grid.ndim
    unit = np.eye(ndim + 1)
    unit[:-1] /= fixed.feature_grid.extent.max()
    unit[:-1, -1] = -unit[:-1, :-1] @ fixed.feature_grid.center
    moving_features, moving_world = _body_cells(moving)
    fixed_features, fixed_world = _body_cells(fixed)
    places = (apply_affine(unit @ start, moving_world).float(), apply_affine(unit, fixed_world).float())
    return (moving_features, fixed_features), places, unit


def _body_cells(embedding: Embedding) -> tuple[Tensor, Tensor]:
    """Return unit features (N, C) float32 and world places (N, n) float64 of at most `MAX_CELLS` body cells.

    Cells are averaged until they are few enough, and a cell without any feature is not used. Features are
    centred on their mean, so that a cosine of zero means chance for any model.
    """
    features, grid = embedding.features.float(), embedding.feature_grid
    body = embedding.extras.get("body", torch.ones(grid.shape, device=features.device)).float()
    coarse = _coarsened(grid)
    pooled = antialiased(features, grid, coarse).flatten(1).T
    inside = antialiased(body[None], grid, coarse).flatten() >= 0.5
    world = world_coordinates(coarse, features.device).double().flatten(0, -2)
    used = inside & (pooled.norm(dim=1) > 1e-6)
    centred = pooled[used] - pooled[used].mean(0)
    return functional.normalize(centred, dim=1), world[used]


def _coarsened(grid: Grid) -> Grid:
    """Return a grid of at most `MAX_CELLS` over the same field of view, finest axes coarsened first."""
    shape = np.asarray(grid.shape)
    while np.prod(shape) > MAX_CELLS:
        axis = int(np.argmin(np.where(shape > 1, grid.extent / shape, np.inf)))
        shape[axis] = (shape[axis] * 4 + 4) // 5
    return resized(grid, shape.tolist())


def _mutual_matches(similarity: Tensor) -> Tensor:
    """Return (M, 2) mutual nearest neighbours of (N, K) similarities, the most similar first."""
    if 0 in similarity.shape:
        return torch.zeros(0, 2, dtype=torch.long, device=similarity.device)
    forth, back = similarity.argmax(1), similarity.argmax(0)
    rows = torch.arange(len(forth), device=forth.device)
    rows = rows[back[forth] == rows]
    matches = torch.stack([rows, forth[rows]], dim=1)
    order = similarity[matches[:, 0], matches[:, 1]].argsort(descending=True, stable=True)
    return matches[order]


def _best_similarity(moving: Tensor, fixed: Tensor, seed: int) -> Tensor:
    """Return the (n + 1, n + 1) similarity that most matches (M, n) support, or the identity."""
    n_matches, ndim = moving.shape
    generator = torch.Generator().manual_seed(seed % 2**63)
    draws = torch.randint(n_matches, (N_HYPOTHESES, ndim), generator=generator).to(moving.device)
    hypotheses = fit_similarity(moving[draws], fixed[draws])
    identity = torch.eye(ndim + 1, dtype=moving.dtype, device=moving.device)
    hypotheses = torch.cat([identity[None], hypotheses[_plausible(hypotheses[:, :-1, :-1])]])
    errors = [
        _residuals(chunk, moving, fixed).square().clamp_max(VOTE_TOLERANCE**2).sum(1)
        for chunk in hypotheses.split(512)
    ]
    return hypotheses[torch.cat(errors).argmin()]


def fit_similarity(moving: Tensor, fixed: Tensor, share: Tensor | None = None) -> Tensor:
    """Return the least-squares similarities (H, n + 1, n + 1) of point sets (H, P, n) (Umeyama, PAMI 1991).

    `share` (H, P) are weights that sum to one in each set; equal if absent.
    """
    weight = torch.full_like(moving[..., :1], 1 / moving.shape[1]) if share is None else share[..., None]
    center_moving, center_fixed = (weight * moving).sum(1), (weight * fixed).sum(1)
    a, b = moving - center_moving[:, None], fixed - center_fixed[:, None]
    u, singular, vt = torch.linalg.svd(b.mT @ (weight * a))
    sign = torch.ones_like(singular)
    sign[:, -1] = torch.sign(torch.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (singular * sign).sum(1) / (weight * a.square()).sum((1, 2)).clamp_min(1e-12)
    linear = scale[:, None, None] * rotation
    return _homogeneous(linear, center_fixed - (linear @ center_moving[..., None])[..., 0])


def _homogeneous(linear: Tensor, shift: Tensor) -> Tensor:
    """Return (H, n + 1, n + 1) maps of linear parts (H, n, n) and shifts (H, n)."""
    ndim = shift.shape[1]
    matrix = torch.eye(ndim + 1, dtype=linear.dtype, device=linear.device).repeat(len(linear), 1, 1)
    matrix[:, :-1, :-1], matrix[:, :-1, -1] = linear, shift
    return matrix


def _residuals(matrices: Tensor, moving: Tensor, fixed: Tensor) -> Tensor:
    """Return (H, M) distances between mapped moving points (M, n) and fixed points (M, n)."""
    mapped = moving @ matrices[:, :-1, :-1].mT + matrices[:, None, :-1, -1]
    return (mapped - fixed).norm(dim=2)


def _plausible(linear: Tensor) -> Tensor:
    """Return (H,) whether linear parts (H, n, n) keep orientation, scale and shape within bounds."""
    stretch = torch.linalg.svdvals(linear)
    within = (stretch[:, 0] <= MAX_SCALE) & (stretch[:, -1] >= MIN_SCALE)
    return within & (stretch[:, 0] <= MAX_ANISOTROPY * stretch[:, -1]) & (torch.linalg.det(linear) > 0)


def _guided_fit(similarity: Tensor, places: tuple[Tensor, Tensor], start: Tensor) -> Tensor:
    """Refine a map (n + 1, n + 1) by matching again near its prediction, ever nearer."""
    moving, fixed = places
    matrix = start
    for radius in GUIDED_RADII:
        distance = torch.cdist(_mapped(matrix, moving), fixed)
        matches = _mutual_matches(similarity.masked_fill(distance > radius, -2.0))
        distinct = distance[matches[:, 0], matches[:, 1]] <= radius
        matches = matches[distinct]
        if len(matches) < MIN_INLIERS:
            break
        matrix = _fit_affine(moving[matches[:, 0]], fixed[matches[:, 1]], matrix)
    return matrix


def _mapped(matrix: Tensor, points: Tensor) -> Tensor:
    return points @ matrix[:-1, :-1].T + matrix[:-1, -1]


def _fit_affine(moving: Tensor, fixed: Tensor, current: Tensor) -> Tensor:
    """Fit an affine to matches (M, n), robustly, shrunk towards their similarity.

    Cauchy weights from the residuals under `current`; the ridge holds directions in which the
    matches hardly spread.
    """
    residual = _residuals(current[None], moving, fixed)[0]
    weight = 1 / (1 + (residual / (TOLERANCE / 2)).square())
    share = (weight / weight.sum())[:, None]
    base = fit_similarity(moving[None], fixed[None], share.T)[0]
    center = (share * moving).sum(0)
    a = moving - center
    b = fixed - _mapped(base, moving)
    spread = a.T @ (share * a)
    ridge = RIDGE * spread.diagonal().mean() * torch.eye(len(center), dtype=a.dtype, device=a.device)
    extra = torch.linalg.solve(spread + ridge, a.T @ (share * b)).T
    shift = (share * b).sum(0)
    return _homogeneous((base[:-1, :-1] + extra)[None], (base[:-1, -1] + shift - extra @ center)[None])[0]


def _feature_agreement(
    similarity: Tensor, places: tuple[Tensor, Tensor], matrix: Tensor
) -> tuple[float, float]:
    """Return the mean cosine between moving cells and the fixed cells they are mapped on, and their share."""
    distance, nearest = torch.cdist(_mapped(matrix, places[0]), places[1]).min(1)
    met = distance <= TOLERANCE
    cosine = similarity.gather(1, nearest[:, None])[met]
    return float(cosine.mean()) if met.any() else 0.0, float(met.float().mean())


def _doubts(matrix: np.ndarray, n_inliers: int, fraction: float, agreement: float, overlap: float) -> str:
    """Say why a map should not be trusted, or nothing."""
    if n_inliers < MIN_INLIERS or fraction < MIN_FRACTION:
        return f"only {n_inliers} matches ({fraction:.0%}) agree on a map"
    if not bool(_plausible(torch.as_tensor(matrix[None, :-1, :-1]))[0]):
        stretch = np.linalg.svd(matrix[:-1, :-1], compute_uv=False)
        return f"implausible map: stretches {', '.join(f'{s:.2f}' for s in stretch)}"
    if overlap < MIN_OVERLAP:
        return f"the map brings only {overlap:.0%} of the moving body onto the fixed one"
    if agreement < MIN_AGREEMENT:
        return f"features that the map brings together hardly agree (mean cosine {agreement:.2f})"
    return ""
