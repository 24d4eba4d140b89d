"""Register one pair in memory: the paper from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptreg.active import find_with_prompts
from promptreg.affine_prior import AffinePrior
from promptreg.correspond import Correspondences, correspond
from promptreg.ddf import FitResult, fit_ddf
from promptreg.models.base import PromptableModel, embed_all
from promptreg.prompts import points_inside
from promptreg.search import Rois
from promptreg.seeds import derive_seed
from promptreg.settings import Variant
from promptreg.transfer import find_rois
from promptreg.turned_prior import orient
from promptreg.types import Pair, PointPrompts
from promptreg.views import sample_views, turned_views, view_image


@dataclass(frozen=True, eq=False)
class Registration:
    """A registered pair: the found ROIs, the accepted correspondences, the fitted field."""

    rois: Rois
    correspondences: Correspondences
    fit: FitResult


def register_pair(
    pair: Pair,
    model: PromptableModel,
    settings: Variant,
    *,
    seed: int = 0,
    moving_labels: np.ndarray | None = None,
) -> Registration:
    """Register `pair.moving` to `pair.fixed` by searching corresponding prompts.

    `moving_labels` (*moving shape) int is needed only where prompts are placed inside or outside labels.
    """
    views = sample_views(pair.moving.grid, settings.embed.views, derive_seed(seed, "views"))
    moving = embed_all(model, [view_image(pair.moving, view) for view in views])
    fixed = model.embed(pair.fixed)
    turns = turned_views(pair.moving.grid, settings.embed.views)[1:] if settings.search.needs_prior else []
    turned = embed_all(model, [view_image(pair.moving, turn) for turn in turns])
    oriented = orient(
        [moving[0], *turned],
        fixed,
        config=settings.search,
        prealignment=pair.prealignment,
        seed=derive_seed(seed, "search"),
    )

    def find(prompts: PointPrompts) -> Rois:
        return find_rois(
            model,
            moving,
            fixed,
            prompts.to(fixed.features.device),
            config=settings.search,
            prealignment=pair.prealignment,
            seed=derive_seed(seed, "search"),
            oriented=oriented,
        )

    rois = find_with_prompts(
        find,
        pair.moving,
        moving_labels,
        settings.search.prompts,
        prealignment=pair.prealignment,
        seed=derive_seed(seed, "prompts"),
    )
    rois = replace(
        rois,
        families=tuple(view.kind for view in views),
        inside=None
        if moving_labels is None
        else points_inside(rois.prompts.points[:, 0], moving_labels, pair.moving.grid),
    )
    correspondences = correspond(
        rois, settings.marginalize, prealignment=pair.prealignment, prior=reliable_prior(rois.prior)
    )
    fit = fit_ddf(
        correspondences.rois,
        pair,
        settings.fit,
        initial=global_start(rois.prior, correspondences),
        embeddings=(moving[0], fixed),
    )
    return Registration(rois, correspondences, fit)


def reliable_prior(prior: AffinePrior | None) -> np.ndarray | None:
    """Return the global affine (world, moving to fixed), if there is one and it can be relied on."""
    return prior.matrix if prior is not None and prior.reliable else None


def global_start(prior: AffinePrior | None, found: Correspondences) -> np.ndarray | None:
    """Return the reliable prior as a start of the fit (fixed to moving), if an accepted pair bears it out."""
    matrix = reliable_prior(prior)
    return None if matrix is None or not found.rois.weights.any() else np.linalg.inv(matrix)
