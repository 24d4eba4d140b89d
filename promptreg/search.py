"""Prompt searching (Sec. 3.1) for all prompts and views of one pair at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.affine_prior import AffinePrior, estimate_affine
from promptreg.auxiliary import add_auxiliary, align_roi
from promptreg.config import Search
from promptreg.geometry import apply_affine, resample, sample, visibility, world_to_index
from promptreg.inverse import InversePrompts, invert_prompts
from promptreg.models.base import PromptableModel
from promptreg.prototype import cell_weights, feature_at, prototype, similarity
from promptreg.starts import gaussian_prior, peaks, start_map
from promptreg.types import Embedding, Grid


@dataclass(frozen=True, eq=False)
class Rois:
    """What was found for K prompts in J views; probabilities live on the images' own mask grids.

    Attributes:
        prompts: (K, ndim) the given prompts Z_k^x, moving world.
        moving: (K, J, *moving_grid.shape) R^x of each view, brought back to the moving image.
        visible: (K, J, *moving_grid.shape) bool, which cells view j has seen (none if it missed the prompt).
        fixed: (K, J, *fixed_grid.shape) R^y.
        points: (K, J, P, ndim) found prompts Z_k^y, fixed world; first the primary, then auxiliary points.
        labels: (K, J, P) 1 positive, 0 negative, -1 padding.
        residual: (K, J) E of Eq. 1 at the found prompt.
        agreement: (K, J) cosine between the prototypes of R^y and R^x.
        cycle: (K, J) bool, the found prompt sent back lands in R^x.
        prior: the global affine, or None where it is switched off.
    """

    prompts: Tensor
    moving: Tensor
    visible: Tensor
    fixed: Tensor
    points: Tensor
    labels: Tensor
    residual: Tensor
    agreement: Tensor
    cycle: Tensor
    moving_grid: Grid
    fixed_grid: Grid
    prior: AffinePrior | None


def search_prompts(
    model: PromptableModel,
    views: Sequence[Embedding],
    fixed: Embedding,
    prompts: Tensor,
    *,
    config: Search,
    prealignment: np.ndarray,
    seed: int,
) -> Rois:
    """Find the corresponding prompts of K prompts on the fixed image.

    Args:
        views: embeddings of the moving image, the untransformed one first (Sec. 3.2).
        prompts: (K, ndim) world points on the moving image.
        prealignment: homogeneous world map, fixed to moving.
    """
    moving, visible = segment_moving(model, views, prompts)
    n_prompts, n_views = moving.shape[:2]
    seen = visible.flatten(2).any(-1)
    identity = views[0]
    weights = cell_weights(moving[seen], identity.mask_grid, identity.feature_grid)
    targets = prototype(identity.features, weights)
    given = prompts[:, None].expand(-1, n_views, -1)[seen].to(identity.features.device)

    prior = _prior(identity, fixed, config, prealignment, seed)
    starts = find_starts(
        identity, fixed, given, targets, config=config, prior=prior, prealignment=prealignment
    )
    labels = torch.ones(len(given), 1, dtype=torch.long, device=given.device)
    inverse = invert_prompts(
        model, fixed, targets, starts[:, :, None], labels, eq1=config.eq1, newton=config.newton
    )
    if config.auxiliary.enabled:
        reference = align_roi(
            moving[seen],
            identity.mask_grid,
            inverse.probabilities,
            fixed.mask_grid,
            how=config.auxiliary.align,
            prealignment=prealignment,
        )
        inverse = add_auxiliary(model, fixed, inverse, reference, config.auxiliary)
    cycle = returns_home(
        identity, fixed, inverse, moving[seen], config=config, prior=prior, prealignment=prealignment
    )
    return _rois(prompts, moving, visible, seen, inverse, cycle, identity.mask_grid, fixed.mask_grid, prior)


def segment_moving(
    model: PromptableModel, views: Sequence[Embedding], prompts: Tensor
) -> tuple[Tensor, Tensor]:
    """Segment the moving image at its prompts in every view, and bring the masks back.

    Returns probabilities and visibility, both (K, J, *views[0].mask_grid.shape).
    """
    target = views[0].mask_grid
    masks, seen = [], []
    for view in views:
        index = world_to_index(view.image_grid, prompts).to(view.features)
        upper = torch.tensor(view.image_grid.shape, device=index.device) - 1
        inside = ((index >= 0) & (index <= upper)).all(-1)
        clipped = torch.minimum(index.clamp(min=0), upper.to(index))
        candidates = model.decode(
            view, clipped[:, None], torch.ones(len(index), 1, dtype=torch.long, device=index.device)
        )
        probability = candidates.select(candidates.best()).sigmoid()
        masks.append(resample(probability, view.mask_grid, target, padding="border"))
        seen.append(inside.view(-1, *[1] * target.ndim) & visibility(view.image_grid, target, index.device))
    visible = torch.stack(seen, 1)
    return torch.stack(masks, 1) * visible, visible


def find_starts(
    moving: Embedding,
    fixed: Embedding,
    points: Tensor,
    targets: Tensor,
    *,
    config: Search,
    prior: AffinePrior | None,
    prealignment: np.ndarray,
) -> Tensor:
    """Return where the inversion of Eq. 1 starts, (B, n, ndim) fixed world, for B moving points and prototypes."""
    if config.start == "same":
        return apply_affine(np.linalg.inv(prealignment), points)[:, None]
    local = similarity(fixed.features, feature_at(moving.features, moving.feature_grid, points))
    weight = None
    if prior is not None:
        sigma = config.prior_sigma * float(fixed.image_grid.extent.max())
        weight = gaussian_prior(fixed.feature_grid, apply_affine(prior.matrix, points), sigma)
    scores = start_map(similarity(fixed.features, targets), local, config.start, weight)
    return peaks(scores, fixed.feature_grid, config.n_starts).to(points)


def returns_home(
    moving: Embedding,
    fixed: Embedding,
    inverse: InversePrompts,
    rois: Tensor,
    *,
    config: Search,
    prior: AffinePrior | None,
    prealignment: np.ndarray,
) -> Tensor:
    """Return (B,) bool: does the found prompt, searched back from fixed to moving, land in R^x?"""
    found = inverse.points[:, 0]
    weights = cell_weights(inverse.probabilities, fixed.mask_grid, fixed.feature_grid)
    backward = None if prior is None else prior.inverse()
    home = find_starts(
        fixed,
        moving,
        found,
        prototype(fixed.features, weights),
        config=config,
        prior=backward,
        prealignment=np.linalg.inv(prealignment),
    )[:, 0]
    index = world_to_index(moving.mask_grid, home)
    inside = [
        sample(roi[None], one[None], padding="border")[0, 0] > 0.5
        for roi, one in zip(rois, index, strict=True)
    ]
    return torch.stack(inside) if inside else torch.zeros(0, dtype=torch.bool, device=rois.device)


def _prior(
    moving: Embedding, fixed: Embedding, config: Search, prealignment: np.ndarray, seed: int
) -> AffinePrior | None:
    if not config.affine_prior or config.start == "same":
        return None
    return estimate_affine(moving, fixed, prealignment=prealignment, seed=seed)


def _rois(
    prompts: Tensor,
    moving: Tensor,
    visible: Tensor,
    seen: Tensor,
    inverse: InversePrompts,
    cycle: Tensor,
    moving_grid: Grid,
    fixed_grid: Grid,
    prior: AffinePrior | None,
) -> Rois:
    """Scatter what was computed for the seen (prompt, view) combinations back to (K, J, ...)."""

    def scatter(values: Tensor, fill: float) -> Tensor:
        out = torch.full((*seen.shape, *values.shape[1:]), fill, dtype=values.dtype, device=values.device)
        out[seen] = values
        return out

    return Rois(
        prompts=prompts,
        moving=moving,
        visible=visible,
        fixed=scatter(inverse.probabilities, 0.0),
        points=scatter(inverse.points, float("nan")),
        labels=scatter(inverse.labels, -1),
        residual=scatter(inverse.residual, float("nan")),
        agreement=scatter(inverse.similarity, float("nan")),
        cycle=scatter(cycle, False),
        moving_grid=moving_grid,
        fixed_grid=fixed_grid,
        prior=prior,
    )
