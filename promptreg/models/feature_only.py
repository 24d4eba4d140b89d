"""An encoder without a mask decoder: the control that shows what a trained decoder adds.

The masks of a click are the regions whose features are most like the clicked one, at a few levels of
similarity; of each level the connected part round the click is kept. Searching with such a model is the
transfer of a prompt to its nearest features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, max_pool3d, normalize

from promptreg.geometry import apply_affine, resample, resized, sample
from promptreg.models.base import check_prompts, compile_encoder
from promptreg.models.click_masks import marked, obedient
from promptreg.types import Candidates, Embedding, Grid, Image

LEVELS = (0.25, 0.5, 0.75)
"""Cosines with the clicked feature at which regions end; features are centred over the image before."""
SHARPNESS = 12.0
"""Logits per unit of cosine."""
LEAST, LIMIT = 0.5, 8.0
"""Smallest logit, in absolute value, of a cell that the click puts in or out, and the largest."""
SUBDIVISION = 4
"""Mask cells along a feature cell, where the image has as many."""
RING = 2
"""Width of the surroundings with which a region is compared, in mask cells."""


class Encoder(Protocol):
    """What is needed of the model whose features are used."""

    name: str
    ndim: tuple[int, ...]

    def embed(self, image: Image) -> Embedding:
        """Encode one image."""
        ...


class FeatureOnly:
    """The features of any encoder, with masks that come from their similarity alone.

    One candidate a level, scored by how much more alike the click are its cells than those around it. A
    cell that is more like a negative click than like any positive one is left out. Regions are connected
    in the volume itself, also where features were computed slice by slice.
    """

    differentiable = False
    negative_points = True

    def __init__(self, encoder: Encoder, *, name: str) -> None:
        self.encoder = encoder
        self.name = name
        self.ndim = encoder.ndim

    def embed(self, image: Image) -> Embedding:
        """Encode one image as the encoder does; nothing but the features is kept."""
        embedding = self.encoder.embed(image)
        return replace(embedding, mask_grid=_mask_grid(embedding), extras={})

    def compile_encoder(self) -> bool:
        """Compile the encoder of the features; False where it offers no such thing."""
        return compile_encoder(self.encoder)

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts (B, P, ndim) with labels (B, P) into one candidate a level."""
        check_prompts(points, labels, ndim=embedding.image_grid.ndim)
        grid, features = embedding.mask_grid, embedding.features.float()
        points, labels = points.detach().to(features.device), labels.to(features.device)
        likeness, excluded = _likeness(embedding, features, points, labels)
        raw = torch.stack([SHARPNESS * (likeness - level) for level in LEVELS], dim=1)
        cells = _cells(embedding.image_grid, grid, points)
        clicked = [marked(cells, labels == kind, grid) for kind in (1, 0)]
        masks = obedient((raw > 0) & ~excluded[:, None], clicked[0], clicked[1] & ~clicked[0])
        inside = raw.clamp(LEAST, LIMIT)
        outside = torch.where(raw > 0, -LIMIT, raw.clamp(-LIMIT, -LEAST))
        return Candidates(torch.where(masks, inside, outside), _contrast(masks, likeness))


def _mask_grid(embedding: Embedding) -> Grid:
    """Mask cells a fraction of feature cells, but no finer than the image's."""
    cells, image = np.array(embedding.feature_grid.shape), np.array(embedding.image_grid.shape)
    return resized(embedding.feature_grid, np.maximum(cells, np.minimum(SUBDIVISION * cells, image)).tolist())


def _likeness(
    embedding: Embedding, features: Tensor, points: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """The highest cosine (B, *mask_grid) with a positive click, and whether a negative one is more alike."""
    centred = features - features.flatten(1).mean(1).view(-1, *[1] * (features.ndim - 1))
    to_cells = np.linalg.inv(embedding.feature_grid.affine) @ embedding.image_grid.affine
    clicked = sample(centred, apply_affine(to_cells, points.float()), padding="border").movedim(0, -1)
    cosines = normalize(clicked, dim=-1) @ normalize(centred.flatten(1), dim=0)
    kinds = torch.stack([cosines.masked_fill((labels != kind)[..., None], -2).amax(1) for kind in (1, 0)], 1)
    fine = resample(
        kinds.flatten(0, 1).unflatten(1, features.shape[1:]),
        embedding.feature_grid,
        embedding.mask_grid,
        padding="border",
    ).unflatten(0, (-1, 2))
    return fine[:, 0], fine[:, 1] > fine[:, 0]


def _cells(image: Grid, grid: Grid, points: Tensor) -> Tensor:
    """Nearest cells (B, P, ndim) int64 of `grid` to points in index coordinates of the image."""
    index = apply_affine(np.linalg.inv(grid.affine) @ image.affine, points.double()).round().long()
    return index.clamp_min(0).minimum(torch.tensor(grid.shape, device=points.device) - 1)


def _contrast(masks: Tensor, likeness: Tensor) -> Tensor:
    """Mean likeness (B, *grid) inside masks (B, M, *grid) less that in a ring around them, (B, M)."""
    pool = {2: max_pool2d, 3: max_pool3d}[likeness.ndim - 1]
    inside = masks.float()
    ring = pool(inside, 2 * RING + 1, stride=1, padding=RING) - inside
    means = [
        (weight * likeness[:, None]).flatten(2).sum(2) / weight.flatten(2).sum(2).clamp_min(1)
        for weight in (inside, ring)
    ]
    return means[0] - means[1]
