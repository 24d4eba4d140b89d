"""Several images through the encoder of a planar model at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from promptreg.models.base import PromptableModel
from promptreg.models.slice_grids import moved_to
from promptreg.types import Embedding, Grid, Image


class PlanarModel(PromptableModel, Protocol):
    """What a planar model offers beyond the contract, so that the slices of a volume share one window."""

    def prepare(self, data: Tensor) -> Tensor:
        """Bring intensities (C, *spatial), planar or not, to (C', *spatial) as the encoder wants them."""
        ...

    def embed_stack(self, prepared: Tensor, grid: Grid) -> list[Embedding]:
        """Encode N prepared images (N, C', Y, X) that share one grid."""
        ...


def embed_planar(model: PlanarModel, images: Sequence[Image]) -> list[Embedding]:
    """Encode planar images; those of equal shape and spacing go through the encoder together."""
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for number, image in enumerate(images):
        kind = (image.grid.shape, *image.grid.spacing.round(9), image.grid.unit, image.data.device)
        kinds.setdefault(kind, []).append(number)
    found: dict[int, Embedding] = {}
    for numbers in kinds.values():
        found |= zip(numbers, _embed_alike(model, [images[number] for number in numbers]), strict=True)
    return [found[number] for number in range(len(images))]


def _embed_alike(model: PlanarModel, images: list[Image]) -> list[Embedding]:
    """Encode images whose grids differ in where they lie alone."""
    if len(images) == 1:
        return [model.embed(images[0])]
    grid = images[0].grid
    stack = torch.stack([model.prepare(image.data) for image in images])
    return [
        replace(
            one,
            feature_grid=moved_to(one.feature_grid, grid, image.grid),
            image_grid=image.grid,
            mask_grid=moved_to(one.mask_grid, grid, image.grid),
        )
        for one, image in zip(model.embed_stack(stack, grid), images, strict=True)
    ]
