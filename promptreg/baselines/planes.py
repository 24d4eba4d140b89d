"""A planar network on volumes: what planes of three directions say of each axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from promptreg.geometry import blurred, default_affine
from promptreg.types import Grid

PLANES = 32
"""Planes in one batch."""
SIGMA = 1.0
"""Cells over which the field is smoothed, so that neighbouring planes agree: three passes over scenes that
the network was not trained on leave folds in 0.5 % of the cells without it."""


def predicted_by_planes(net: nn.Module, moving: Tensor, fixed: Tensor) -> Tensor:
    """Return the voxel-form field (3, *shape) of volumes (1, *shape), in single precision.

    Planes across each axis in turn are registered in the plane; an axis lies in the planes of two directions,
    and their mean counts. What leaves its plane is found by the other two.
    """
    field = torch.zeros(3, *fixed.shape[1:])
    for across in range(3):
        within = [axis for axis in range(3) if axis != across]
        field[within] += _across(net, moving, fixed, across) / 2
    return blurred(field, Grid(tuple(fixed.shape[1:]), default_affine(3)), SIGMA)


def _across(net: nn.Module, moving: Tensor, fixed: Tensor, axis: int) -> Tensor:
    """(2, *shape) in-plane displacements of the planes across an axis."""
    device = next(net.parameters()).device
    images = [one[0].movedim(axis, 0)[:, None].split(PLANES) for one in (moving, fixed)]
    with torch.no_grad():
        found = [net(a.to(device), b.to(device)).float().cpu() for a, b in zip(*images, strict=True)]
    return torch.cat(found).movedim(1, 0).movedim(1, axis + 1)
