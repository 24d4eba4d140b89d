"""ConvexAdam on the features that a promptable model's encoder makes: the same encoder, without any prompt.

After DINO-Reg (Song et al., MICCAI 2024): the principal components that both images share stand for the
features. It shows what prompts add to an encoder, and what they cost.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from promptreg.baselines.convex_methods import brought, descent_grid, registered
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.registry import find
from promptreg.types import Ddf, Embedding, Image, Pair

if TYPE_CHECKING:
    from promptreg.models.base import PromptableModel

COMPONENTS = 24
"""Principal components that are kept, as published."""
LENGTH = 1.5
"""Length of a feature: unrelated places then cost 2.2 as a mean, as by MIND-SSC, which the penalty fits."""


class ConvexAdamFeatures:
    """ConvexAdam on features of the model `baselines.features_model`."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment and deformation as one canonical field."""
        del workdir
        device = choose_device(settings.device)
        model = model_of(settings.features_model)
        fixed, moving = (embedded(model, one, device) for one in (pair.fixed, pair.moving))
        cells = descent_grid(pair.fixed.grid)
        maps = shared_components(fixed, moving)
        return registered(
            brought(maps[0], fixed.feature_grid, cells, np.eye(cells.ndim + 1)),
            brought(maps[1], moving.feature_grid, cells, pair.prealignment),
            cells,
            pair,
            settings,
        )


@lru_cache(maxsize=1)
def model_of(name: str) -> PromptableModel:
    """Build a registered model, once for all pairs."""
    model: PromptableModel = find("model", name).load()()
    return model


def embedded(model: PromptableModel, image: Image, device: torch.device) -> Embedding:
    """Encode an image on a device."""
    return model.embed(Image(image.data.to(device), image.grid, image.name))


def shared_components(
    fixed: Embedding, moving: Embedding, *, components: int = COMPONENTS
) -> tuple[Tensor, Tensor]:
    """Return both images' features (c, *cells) along the main directions of all their body cells.

    Features are centred over each image's own body, so that a difference between scanners cancels, and have
    the same length everywhere, but for the background, where they are zero.
    """
    centred = [_centred(one) for one in (fixed, moving)]
    together = torch.cat([one[:, _body(e)] for one, e in zip(centred, (fixed, moving), strict=True)], dim=1)
    values, vectors = torch.linalg.eigh(together.double() @ together.double().T)
    directions = vectors[:, values.argsort(descending=True)[:components]].T.to(together)
    kept = [torch.tensordot(directions, one, dims=1) for one in centred]
    unit = [LENGTH * normalize(one, dim=0) * _body(e) for one, e in zip(kept, (fixed, moving), strict=True)]
    return unit[0], unit[1]


def _centred(embedding: Embedding) -> Tensor:
    """Features (C, *cells) less their mean over the body."""
    features = embedding.features.float()
    mean = features[:, _body(embedding)].mean(1)
    return features - mean.view(-1, *[1] * embedding.feature_grid.ndim)


def _body(embedding: Embedding) -> Tensor:
    """(*cells) bool: the body, as far as the model tells; everything otherwise."""
    shape = embedding.feature_grid.shape
    body = embedding.extras.get("body")
    everything = torch.ones(shape, dtype=torch.bool, device=embedding.features.device)
    return everything if body is None or not bool(body.any()) else body.bool()
