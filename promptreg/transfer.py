"""Find the regions of the moving image on the fixed one: by searching prompts, or by a rival, a video model.

The rival takes the moving and the fixed image for two frames of a video. What a prompt segments on the first
is remembered and looked for on the second; in volumes first on the fixed slice nearest to the mapped prompt,
then on its neighbours. Marginalization, filters and fit are the same for both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from promptreg.config import Search
from promptreg.geometry import apply_affine, index_to_world, sample, world_to_index
from promptreg.models.base import PromptableModel, carry_over
from promptreg.prototype import cell_weights, prototype
from promptreg.search import Rois, search_prompts, segment_moving
from promptreg.turned_prior import Oriented
from promptreg.types import Embedding, Grid, PointPrompts


def find_rois(
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
    """Find the regions of K prompts on the fixed image by the method that the configuration names.

    Args:
        views: embeddings of the moving image, the untransformed one first.
        prompts: on the moving image.
        prealignment: homogeneous world map, fixed to moving.
        oriented: how the moving image lies in the fixed one, for a search of prompts.
    """
    if config.method == "video":
        return carry_regions(model, views, fixed, prompts, prealignment=prealignment)
    return search_prompts(
        model, views, fixed, prompts, config=config, prealignment=prealignment, seed=seed, oriented=oriented
    )


def carry_regions(
    model: PromptableModel,
    views: Sequence[Embedding],
    fixed: Embedding,
    prompts: PointPrompts,
    *,
    prealignment: np.ndarray,
) -> Rois:
    """Hand the regions of K prompts over to the fixed image, from every view of the moving one.

    The found point is where a region on the fixed image is most certain. A region passes the cycle check if
    a click there, handed back to the moving image, is most certain inside R^x. There is no residual of Eq. 1.

    Raises:
        ValueError: the model does not follow regions.
    """
    moving, visible = segment_moving(model, views, prompts)
    seen = visible.flatten(2).any(-1)
    shape = (*seen.shape, *fixed.mask_grid.shape)
    logits = torch.full(shape, -torch.inf, device=moving.device)
    to_fixed = np.linalg.inv(prealignment)
    for number, view in enumerate(views):
        rows = seen[:, number].nonzero().flatten()
        some = PointPrompts(prompts.points[rows], prompts.labels[rows])
        logits[rows, number] = _carried(model, view, fixed, some, to_fixed)
    found = logits.flatten(2).amax(2) > 0
    points = torch.where(found[..., None], _peaks(logits, fixed.mask_grid), torch.nan)
    fixed_masks = logits.sigmoid()
    return Rois(
        prompts=prompts,
        moving=moving,
        visible=visible,
        fixed=fixed_masks,
        points=points[:, :, None],
        labels=torch.where(found, 1, -1)[..., None],
        residual=torch.full(found.shape, torch.nan, device=found.device),
        agreement=_agreement(views[0], moving, fixed, fixed_masks),
        cycle=_returns_home(model, views[0], fixed, moving, points, prealignment),
        moving_grid=views[0].mask_grid,
        fixed_grid=fixed.mask_grid,
        prior=None,
    )


def _returns_home(
    model: PromptableModel,
    moving: Embedding,
    fixed: Embedding,
    regions: Tensor,
    points: Tensor,
    prealignment: np.ndarray,
) -> Tensor:
    """Whether clicks on found points (K, J, ndim), NaN if there is none, lead back into R^x, (K, J) bool."""
    cycle = points.isfinite().all(-1)
    if not cycle.any():
        return cycle
    clicks = points[cycle][:, None]
    prompts = PointPrompts(clicks, torch.ones(clicks.shape[:2], dtype=torch.long, device=clicks.device))
    home = _carried(model, fixed, moving, prompts, prealignment)
    index = world_to_index(moving.mask_grid, _peaks(home, moving.mask_grid))
    inside = torch.vmap(sample)(regions[cycle][:, None], index[:, None])[:, 0, 0] > 0.5
    cycle[cycle.clone()] = inside & (home.flatten(1).amax(1) > 0)
    return cycle


def _carried(
    model: PromptableModel, source: Embedding, target: Embedding, prompts: PointPrompts, mapping: np.ndarray
) -> Tensor:
    """Logits (B, *target.mask_grid.shape) of what B prompts segment on `source`; `mapping` leads across."""
    index = world_to_index(source.image_grid, prompts.points).to(source.features)
    upper = torch.tensor(source.image_grid.shape, device=index.device) - 1
    first = (prompts.labels == 1).long().argmax(1)
    main = prompts.points[torch.arange(len(first), device=first.device), first]
    return carry_over(
        model,
        source,
        target,
        torch.minimum(index.clamp(min=0), upper.to(index)),
        prompts.labels,
        starts=world_to_index(target.image_grid, apply_affine(mapping, main)).to(target.features),
    )


def _peaks(logits: Tensor, grid: Grid) -> Tensor:
    """World points (*batch, ndim) of the highest logits (*batch, *grid.shape)."""
    flat = logits.flatten(logits.ndim - grid.ndim).argmax(-1)
    return index_to_world(grid, torch.stack(torch.unravel_index(flat, grid.shape), dim=-1).float())


def _agreement(moving: Embedding, regions: Tensor, fixed: Embedding, found: Tensor) -> Tensor:
    """Cosine (K, J) between the prototypes of regions (K, J, *grid) on either image."""
    on_moving, on_fixed = (
        prototype(one.features, cell_weights(masks.flatten(0, 1), one.mask_grid, one.feature_grid))
        for one, masks in ((moving, regions), (fixed, found))
    )
    return torch.cosine_similarity(on_moving, on_fixed, dim=1).unflatten(0, found.shape[:2])
