"""MIND-SSC: how alike the neighbours of a place are among themselves, whatever their intensities.

Heinrich et al., MICCAI 2013. Pairs of neighbours at equal distance from a place, and at right angles as seen
from it, are compared patch by patch; the differences are normalized by their own mean, so that an affine
change of intensities, inversion included, changes nothing.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

RADIUS = 1
"""Cells from the middle of a patch to its edge; published default."""
DILATION = 2
"""Cells from a place to its neighbours; published default."""


def mind_ssc(image: Tensor, *, radius: int = RADIUS, dilation: int = DILATION) -> Tensor:
    """Return the descriptors (C, *shape) in (0, 1] of one channel (*shape); C is 4 in 2D and 12 in 3D.

    One in all channels means no structure, or structure alike in all of them. Edges are repeated.
    """
    differences = torch.stack(
        [_patch_differences(image, first, second, radius) for first, second in _pairs(image.ndim, dilation)]
    )
    differences = differences - differences.amin(0)
    mean = differences.mean(0)
    usual = mean.mean().clamp_min(torch.finfo(image.dtype).tiny)
    return torch.exp(-differences / mean.clamp(1e-3 * usual, 1e3 * usual))


def _pairs(ndim: int, dilation: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Offsets of the neighbours that share no axis: 12 of the 15 pairs in 3D, 4 of the 6 in 2D."""
    neighbours = [
        (axis, tuple(dilation * sign * int(other == axis) for other in range(ndim)))
        for axis in range(ndim)
        for sign in (-1, 1)
    ]
    return [(a[1], b[1]) for a, b in itertools.combinations(neighbours, 2) if a[0] != b[0]]


def _patch_differences(image: Tensor, first: tuple[int, ...], second: tuple[int, ...], radius: int) -> Tensor:
    """Mean squared difference (*shape) of the patches about two offsets from every cell."""
    squared = (_shifted(image, first) - _shifted(image, second)).square()
    return _mean_over_patch(squared, radius)


def _shifted(image: Tensor, offset: tuple[int, ...]) -> Tensor:
    """Read the image (*shape) `offset` cells further, its edges repeated."""
    for axis, step in enumerate(offset):
        if step:
            n = image.shape[axis]
            cells = (torch.arange(n, device=image.device) + step).clamp(0, n - 1)
            image = image.index_select(axis, cells)
    return image


def _mean_over_patch(image: Tensor, radius: int) -> Tensor:
    """Mean over cubes of 2 radius + 1 cells a side, edges repeated; (*shape)."""
    size, ndim = 2 * radius + 1, image.ndim
    padded = functional.pad(image[None, None], (radius,) * (2 * ndim), mode="replicate")
    mean = functional.avg_pool2d if ndim == 2 else functional.avg_pool3d
    return mean(padded, size, stride=1)[0, 0]
