"""ConvexAdam on the features that a promptable model's encoder makes: the same encoder, without any prompt.

After DINO-Reg (Song et al., MICCAI 2024). It shows what prompts add to an encoder, and what they cost.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from promptreg.baselines.convex_methods import descent_grid, registered
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.registry import find
from promptreg.regrid import brought
from promptreg.shared_components import shared_components
from promptreg.types import Ddf, Embedding, Image, Pair

if TYPE_CHECKING:
    from promptreg.models.base import PromptableModel


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
