"""A planar network on volumes: what planes of three directions say of each axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptreg.geometry import blurred, default_affine
from promptreg.types import Grid

PLANES = 32
"""Planes in one batch."""
SIGMA = 1.0
"""Cells over which the field is smoothed, so that neighbouring planes agree: three passes over scenes that
the network was not trained on leave folds in 0.5 % of the cells without it."""


def predicted_by_planes(net: nn.Module, moving: Tensor, fixed: Tensor, across: Sequence[int]) -> Tensor:
    """Return the voxel-form field (3, *shape) of volumes (1, *shape), in single precision.

    Planes across each axis of `across` in turn are registered in the plane; an axis that lies in the planes
    of two directions moves by the mean of both. What leaves its plane is found by the others, if any.
    """
    field, count = torch.zeros(3, *fixed.shape[1:]), torch.zeros(3, 1, 1, 1)
    for axis in across:
        within = [other for other in range(3) if other != axis]
        field[within] += _across(net, moving, fixed, axis)
        count[within] += 1
    field = field / count.clamp(min=1)
    return blurred(field, Grid(tuple(fixed.shape[1:]), default_affine(3)), SIGMA)


def directions(shape: Sequence[int], least_side: int) -> list[int]:
    """Return the axes of a volume whose planes have at least `least_side` cells along both sides.

    Where no plane has, that is the axis of fewest cells.
    """
    sides = [[side for other, side in enumerate(shape) if other != axis] for axis in range(3)]
    return [axis for axis in range(3) if min(sides[axis]) >= least_side] or [list(shape).index(min(shape))]


def _across(net: nn.Module, moving: Tensor, fixed: Tensor, axis: int) -> Tensor:
    """(2, *shape) in-plane displacements of the planes across an axis."""
    device = next(net.parameters()).device
    images = [one[0].movedim(axis, 0)[:, None].split(PLANES) for one in (moving, fixed)]
    with torch.no_grad():
        found = [net(a.to(device), b.to(device)).float().cpu() for a, b in zip(*images, strict=True)]
    return torch.cat(found).movedim(1, 0).movedim(1, axis + 1)
