"""Features of the trained model `pocket` beside hand-made ones; the masks of the weight-free model.

Learned features tell structures apart across contrasts, hand-made ones see wide surroundings and, in volumes,
all three directions: they err in different places. Masks grown in the volume itself need no slices.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import antialiased, resample, resized
from promptreg.models.base import PromptableModel, compile_encoder
from promptreg.models.pocket import Pocket
from promptreg.models.weightfree import WeightFree
from promptreg.types import Candidates, Embedding, Grid, Image

LEARNED_SHARE = 0.5
"""Share of the learned features in the squared length of a feature, on average over the body."""


class Blend:
    """Two encoders side by side on the feature grid of the second, whose masks are used."""

    name = "blend"
    ndim = (2, 3)
    differentiable = False
    negative_points = True

    def __init__(
        self, learned: PromptableModel | None = None, handmade: PromptableModel | None = None
    ) -> None:
        self.learned = learned or Pocket()
        self.handmade = handmade or WeightFree()

    def embed(self, image: Image) -> Embedding:
        """Encode one image with both; ValueError on values that are not finite."""
        return beside(self.handmade.embed(image), self.learned.embed(image))

    def compile_encoder(self) -> bool:
        """Compile the learned model's encoder; False where it offers no such thing."""
        return compile_encoder(self.learned)

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts (B, P, ndim) with labels (B, P) as the weight-free model does."""
        return self.handmade.decode(embedding, points, labels)


def beside(base: Embedding, learned: Embedding) -> Embedding:
    """Return an embedding whose features have learned ones beside them, on its grid."""
    body = base.extras.get("body", torch.ones(base.feature_grid.shape, dtype=torch.bool))
    parts = [
        (1 - LEARNED_SHARE) ** 0.5 * _of_unit_length(base.features, body),
        LEARNED_SHARE**0.5 * learned_cells(learned, base.feature_grid, body),
    ]
    return replace(base, features=torch.cat(parts))


def learned_cells(learned: Embedding, grid: Grid, body: Tensor) -> Tensor:
    """Return learned features (C, *grid.shape) on another grid, centred over the body (*grid.shape) bool."""
    return _of_unit_length(_brought(learned.features.float(), learned.feature_grid, grid), body)


def _brought(features: Tensor, source: Grid, target: Grid) -> Tensor:
    """Features (C, *source.shape) on a grid over the same field of view, (C, *target.shape)."""
    coarse = resized(source, np.minimum(source.shape, target.shape).tolist())
    return resample(antialiased(features, source, coarse), coarse, target, padding="border")


def _of_unit_length(features: Tensor, body: Tensor) -> Tensor:
    """Centre (C, *cells) over the body (*cells) bool and scale it to a mean squared length of one there."""
    inside = features[:, body]
    centred = features - inside.mean(1).view(-1, *[1] * body.ndim)
    length = (inside - inside.mean(1, keepdim=True)).square().sum(0).mean().sqrt()
    return centred / length.clamp_min(1e-6)
