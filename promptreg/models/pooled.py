"""`blend` with the masks of both its models in one pool in 2D, among which a learned score chooses.

Masks grown from hand-made maps and those of the trained model fail in different places: the best of both
pools is better than that of either. In 3D it is `blend`: there the learned choice lost with several clicks.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from promptreg.geometry import resized
from promptreg.models.base import PromptableModel, compile_encoder
from promptreg.models.blend import beside
from promptreg.models.click_masks import PROMPTS_PER_CHUNK, Pool, candidates, hand_scored, joined
from promptreg.models.likeness_cues import likeness_cues
from promptreg.models.mask_cues import mask_cues
from promptreg.models.mask_scores import foretold_iou, score_weights
from promptreg.models.opinions import learned_masks, opinion_cues
from promptreg.models.pocket import Pocket
from promptreg.models.weightfree import WeightFree
from promptreg.types import Candidates, Embedding, Grid, Image

PREFIX = "learned_"
"""Begins the names of what the learned model decodes planar images from, among the extras."""


class Pooled:
    """Two encoders side by side on the feature grid of the second, and in 2D the masks of both.

    The learned model's grids cover the image, and features and extras are all that it decodes from.
    """

    name = "pooled"
    ndim = (2, 3)
    differentiable = False
    negative_points = True

    def __init__(self, learned: PromptableModel | None = None) -> None:
        self.learned = learned or Pocket()
        self.handmade = WeightFree()

    def embed(self, image: Image) -> Embedding:
        """Encode one image with both; ValueError on values that are not finite."""
        base, learned = self.handmade.embed(image), self.learned.embed(image)
        both = beside(base, learned)
        if image.grid.ndim == 3:
            return both
        extras = {PREFIX + name: one for name, one in learned.extras.items()}
        return replace(both, extras={**both.extras, **extras, PREFIX + "features": learned.features})

    def compile_encoder(self) -> bool:
        """Compile the learned model's encoder; False where it offers no such thing."""
        return compile_encoder(self.learned)

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts (B, P, ndim) with labels (B, P) into nine candidates each, in 3D six.

        Scores in 2D are foretold IoUs.
        """
        pool, grid = self.handmade.pool(embedding, points, labels), embedding.mask_grid
        if grid.ndim == 3:
            return hand_scored(pool, grid)
        learned = _learned(embedding)
        found = self.learned.decode(learned, points, labels)
        logits, own = learned_masks(found, grid, embedding.image_grid)
        pool = joined(pool, logits)
        cells = embedding.features[-len(learned.features) :]
        return candidates(pool, foretold_iou(pool_cues(pool, cells, own, grid), score_weights(2)))


def pool_cues(pool: Pool, cells: Tensor, own: Tensor | None, grid: Grid) -> Tensor:
    """Return the cues (B, M, n_cues) of a pool on a mask grid.

    `cells` (C, *cells) are centred learned features over the same field of view; `own` (B, 3) are the scores
    that a learned model gives the last three candidates, if they are its.
    """
    parts = []
    for number, some in enumerate(pool.split()):
        clicks = some.clicks
        found = [mask_cues(some.masks, some.raw, some.looks, clicks, grid)]
        if own is not None:
            found.append(opinion_cues(some.masks, own.split(PROMPTS_PER_CHUNK)[number]))
        found.append(likeness_cues(cells, some.masks, clicks.positive, clicks.negative))
        parts.append(torch.cat(found, dim=2))
    return torch.cat(parts)


def _learned(embedding: Embedding) -> Embedding:
    """Return what the learned model made of a planar image."""
    extras = {
        name.removeprefix(PREFIX): one for name, one in embedding.extras.items() if name.startswith(PREFIX)
    }
    features = extras.pop("features")
    grid = resized(embedding.image_grid, features.shape[1:])
    return Embedding(features, grid, embedding.image_grid, grid, extras)
