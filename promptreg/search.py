"""Prompt searching (Sec. 3.1) for all prompts and views of one pair at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from promptreg.affine_prior import AffinePrior
from promptreg.alignment import align_roi
from promptreg.auxiliary import add_auxiliary
from promptreg.config import Search
from promptreg.geometry import apply_affine, resample, sample, visibility, world_to_index
from promptreg.inverse import InversePrompts, invert_prompts, region_size
from promptreg.models.base import PromptableModel
from promptreg.prototype import cell_weights, feature_at, prototype, similarity
from promptreg.starts import gaussian_prior, start_points
from promptreg.turned_prior import Oriented, orient
from promptreg.types import Embedding, Grid, PointPrompts


@dataclass(frozen=True, eq=False)
class Rois:
    """What was found for K prompts in J views; probabilities live on the images' own mask grids.

    Attributes:
        prompts: the given prompts Z_k^x on the moving image.
        moving: (K, J, *moving_grid.shape) R^x of each view, brought back to the moving image.
        visible: (K, J, *moving_grid.shape) bool, which cells view j has seen (none if it missed the prompt).
        fixed: (K, J, *fixed_grid.shape) R^y.
        points: (K, J, P, ndim) found prompts Z_k^y, fixed world; first the primary, then auxiliary points.
        labels: (K, J, P) 1 positive, 0 negative, -1 padding.
        residual: (K, J) E of Eq. 1 at the found prompt.
        agreement: (K, J) cosine between the prototypes of R^y and R^x.
        cycle: (K, J) bool, the found prompt sent back lands in R^x.
        prior: the global affine, or None where it is switched off.
        families: kind of each of the J views (see `promptreg.views`); empty if nobody said.
        inside: (K,) bool, which given prompts lie inside the moving labels; None without labels.
    """

    prompts: PointPrompts
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
    families: tuple[str, ...] = ()
    inside: Tensor | None = None


def search_prompts(
    model: PromptableModel,
    views: Sequence[Embedding],
    fixed: Embedding,
    prompts: PointPrompts,
    *,
    config: Search,
    prealignment: np.ndarray,
    seed: int,
    oriented: Oriented | None = None,
) -> Rois:
    """Find the corresponding prompts of K prompts on the fixed image.

    Args:
        views: embeddings of the moving image, the untransformed one first (Sec. 3.2).
        prompts: on the moving image.
        prealignment: homogeneous world map, fixed to moving.
        oriented: how the moving image lies in the fixed one, see `promptreg.turned_prior.orient`; looked
            for in the untransformed view alone if absent.
    """
    identity = views[0]
    moving, visible = segment_moving(model, views, prompts)
    seen = visible.flatten(2).any(-1)
    regions = moving[seen]
    given = prompts.each(seen)

    if oriented is None:
        oriented = orient([identity], fixed, config=config, prealignment=prealignment, seed=seed)
    prior, upright = oriented.prior, oriented.moving
    targets = prototype(upright.features, cell_weights(regions, identity.mask_grid, upright.feature_grid))
    starts = find_starts(
        upright, fixed, given, targets, config=config, prior=prior, prealignment=prealignment
    )
    inverse = invert_prompts(
        model,
        fixed,
        targets,
        starts,
        given.labels,
        eq1=config.eq1,
        newton=config.newton,
        target_size=region_size(regions, identity.mask_grid),
        start_weights=prior_weights(starts, given, fixed, config=config, prior=prior),
    )
    if config.auxiliary.enabled:
        reference = align_roi(
            regions,
            identity.mask_grid,
            inverse.probabilities,
            fixed.mask_grid,
            how=config.auxiliary.align,
            prealignment=prealignment,
        )
        inverse = add_auxiliary(model, fixed, inverse, reference, config.auxiliary)
    cycle = returns_home(
        upright,
        fixed,
        inverse,
        regions,
        identity.mask_grid,
        config=config,
        prior=prior,
        prealignment=prealignment,
    )
    return _rois(prompts, moving, visible, seen, inverse, cycle, identity.mask_grid, fixed.mask_grid, prior)


def segment_moving(
    model: PromptableModel, views: Sequence[Embedding], prompts: PointPrompts
) -> tuple[Tensor, Tensor]:
    """Segment the moving image at its prompts in every view, and bring the masks back.

    Returns probabilities and visibility, both (K, J, *views[0].mask_grid.shape). A view that misses one
    of a prompt's points sees nothing of it.
    """
    target = views[0].mask_grid
    masks, seen = [], []
    for view in views:
        index = world_to_index(view.image_grid, prompts.points).to(view.features)
        upper = torch.tensor(view.image_grid.shape, device=index.device) - 1
        inside = ((index >= -0.5) & (index <= upper + 0.5)).all(-1).all(-1)
        clipped = torch.minimum(index.clamp(min=0), upper.to(index))
        candidates = model.decode(view, clipped, prompts.labels)
        probability = candidates.select(candidates.best()).sigmoid()
        masks.append(resample(probability, view.mask_grid, target, padding="border"))
        seen.append(inside.view(-1, *[1] * target.ndim) & visibility(view.image_grid, target, index.device))
    visible = torch.stack(seen, 1)
    return torch.stack(masks, 1) * visible, visible


def find_starts(
    moving: Embedding,
    fixed: Embedding,
    prompts: PointPrompts,
    targets: Tensor,
    *,
    config: Search,
    prior: AffinePrior | None,
    prealignment: np.ndarray,
) -> Tensor:
    """Return where the inversion of Eq. 1 starts, (B, n, P, ndim) fixed world, for B moving prompts."""
    to_fixed = np.linalg.inv(prealignment) if prior is None else prior.matrix
    mapped = apply_affine(to_fixed, prompts.points).to(fixed.features)
    n_prompts, n_points = mapped.shape[:2]
    weight = None
    if prior is not None:
        sigma = config.prior_sigma * float(fixed.image_grid.extent.max())
        weight = gaussian_prior(fixed.feature_grid, mapped.flatten(0, 1), sigma)
        weight = weight.reshape(n_prompts, n_points, *fixed.feature_grid.shape)
    points = prompts.points.to(moving.features).flatten(0, 1)
    local = similarity(fixed.features, feature_at(moving.features, moving.feature_grid, points))
    return start_points(
        similarity(fixed.features, targets),
        local.reshape(n_prompts, n_points, *fixed.feature_grid.shape),
        prompts.labels,
        fixed.feature_grid,
        how=config.start,
        n_starts=config.n_starts,
        mapped=mapped,
        prior=weight,
    )


def prior_weights(
    starts: Tensor, prompts: PointPrompts, fixed: Embedding, *, config: Search, prior: AffinePrior | None
) -> Tensor | None:
    """Return (B, n), the affine prior at starts (B, n, P, ndim): a lower E alone cannot overrule it."""
    if prior is None:
        return None
    sigma = config.prior_sigma * float(fixed.image_grid.extent.max())
    distance = (starts - apply_affine(prior.matrix, prompts.points).to(starts)[:, None]).norm(dim=-1)
    return torch.exp(-((distance / sigma) ** 2).mean(-1) / 2)


def returns_home(
    moving: Embedding,
    fixed: Embedding,
    inverse: InversePrompts,
    regions: Tensor,
    regions_grid: Grid,
    *,
    config: Search,
    prior: AffinePrior | None,
    prealignment: np.ndarray,
) -> Tensor:
    """Return (B,) bool: does the primary point found, searched back from fixed to moving, land in R^x?

    `regions` (B, *regions_grid.shape) are R^x.
    """
    weights = cell_weights(inverse.probabilities, fixed.mask_grid, fixed.feature_grid)
    first = PointPrompts(inverse.points[:, :1], torch.ones_like(inverse.labels[:, :1]))
    home = find_starts(
        fixed,
        moving,
        first,
        prototype(fixed.features, weights),
        config=config,
        prior=None if prior is None else replace(prior, matrix=np.linalg.inv(prior.matrix)),
        prealignment=np.linalg.inv(prealignment),
    )[:, 0, 0]
    index = world_to_index(regions_grid, home)
    return torch.vmap(sample)(regions[:, None], index[:, None])[:, 0, 0] > 0.5


def _rois(
    prompts: PointPrompts,
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
