"""An image as a stack of planes that an encoder of planes takes one by one; a planar image is one plane."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from promptreg.models.slice_grids import lift, plane_of, slicing_axis
from promptreg.types import Embedding, Grid, Image

PlaneEncoder = Callable[[Tensor, Grid], list[Embedding]]
"""Encodes N planes (N, C, Y, X) that share one grid."""


def embed_planes(image: Image, prepared: Tensor, encode: PlaneEncoder) -> Embedding:
    """Embed a planar image, or every slice of a volume across its coarsest axis, as one embedding.

    `prepared` (C, *image.grid.shape) is what `encode` takes. In volumes the features lie along the slicing
    axis as the slices do, and each of the extras has the slices along its first axis.
    """
    if image.grid.ndim == 2:
        return encode(prepared[None], image.grid)[0]
    axis = slicing_axis(image.grid)
    planes = encode(prepared.movedim(1 + axis, 0), plane_of(image.grid, axis))
    first = planes[0]
    return Embedding(
        torch.stack([one.features for one in planes]).movedim(0, 1 + axis),
        lift(first.feature_grid, image.grid, axis),
        image.grid,
        lift(first.mask_grid, image.grid, axis),
        {name: torch.stack([one.extras[name] for one in planes]) for name in first.extras},
    )
