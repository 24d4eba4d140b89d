"""SAMReg: segment everything on both images, match regions by their features, fit a field to the matches.

Huang et al., arXiv 2405.10879. The published model is Segment Anything; any promptable model can stand for it
(`baselines.features_model`). The fit is that of PromptReg with its default settings, so that the two
methods differ in how they find corresponding regions, and in nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from promptreg.automatic_masks import AutomaticMasks, automatic_masks, click_grid
from promptreg.baselines.encoder_features import embedded, model_of
from promptreg.body import body_mask
from promptreg.config import Baselines, Fit
from promptreg.ddf import fit_ddf
from promptreg.device import choose_device
from promptreg.prototype import cell_weights, prototype
from promptreg.types import Ddf, Embedding, Image, Pair, RoiPairs

if TYPE_CHECKING:
    from promptreg.models.base import PromptableModel

LEAST_SIMILARITY = 0.8
"""Cosine of two prototypes that still match; published."""
PER_SIDE = {2: 32, 3: 10}
"""Clicks along the longest side where the configuration names none; published in 2D."""


class SamReg:
    """SAMReg with the model `baselines.features_model`."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the fitted field; that is the pre-alignment where no regions match, as for PromptReg."""
        del workdir
        regions = matched_regions(pair, model_of(settings.features_model), settings)
        field = fit_ddf(regions, pair, Fit(device=settings.device)).ddf
        return Ddf(field.displacement.cpu(), pair.fixed.grid)


def matched_regions(pair: Pair, model: PromptableModel, settings: Baselines) -> RoiPairs:
    """Return at most `samreg_pairs` pairs of regions, most alike first."""
    device = choose_device(settings.device)
    found, prototypes = [], []
    for image in (pair.moving, pair.fixed):
        embedding = embedded(model, image, device)
        masks = segmented(model, embedding, image, settings)
        found.append(masks)
        prototypes.append(_prototypes(masks, embedding))
    similarity = normalize(prototypes[0], dim=1) @ normalize(prototypes[1], dim=1).T
    matches = greedy_matches(similarity, LEAST_SIMILARITY)[: settings.samreg_pairs]
    moving, fixed = found
    return RoiPairs(
        moving.masks[matches[:, 0]].float(),
        fixed.masks[matches[:, 1]].float(),
        moving.grid,
        fixed.grid,
        torch.ones(len(matches), device=device),
    )


def segmented(
    model: PromptableModel, embedding: Embedding, image: Image, settings: Baselines
) -> AutomaticMasks:
    """Segment everything in the body of an image."""
    per_side = settings.samreg_points_per_side or PER_SIDE[image.grid.ndim]
    return automatic_masks(model, embedding, click_grid(body_mask(image), image.grid, per_side))


def greedy_matches(similarity: Tensor, least: float) -> Tensor:
    """Return (K, 2) int64 rows and columns of similarities (N, M) above `least`, highest first, each once."""
    left, matches = similarity.clone(), []
    while left.numel() and float(left.max()) > least:
        row, column = divmod(int(left.argmax()), left.shape[1])
        matches.append((row, column))
        left[row], left[:, column] = -torch.inf, -torch.inf
    return torch.tensor(matches, dtype=torch.long, device=similarity.device).view(-1, 2)


def _prototypes(masks: AutomaticMasks, embedding: Embedding) -> Tensor:
    """Mean features (N, C) of masks."""
    weights = cell_weights(masks.masks.float(), masks.grid, embedding.feature_grid)
    return prototype(embedding.features.float(), weights)
