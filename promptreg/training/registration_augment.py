"""Affine changes of training pairs, one for each image, as LabelReg is trained (Hu et al., 2018)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from promptreg.geometry import cell_indices, sample
from promptreg.training.registration_data import Example


def augmented(example: Example, reach: float, generator: torch.Generator) -> Example:
    """Return an example whose images, with their labels, are read through random affine maps.

    Corners of the grid are read from further inside, by up to `reach` halves of each side.
    """
    shape = example.fixed.shape[1:]
    moving, fixed = (
        _read_at(shape, reach, generator).to(example.fixed.device) for _ in (example.moving, example.fixed)
    )
    return replace(
        example,
        moving=sample(example.moving, moving),
        fixed=sample(example.fixed, fixed),
        moving_labels=_relabelled(example.moving_labels, moving),
        fixed_labels=_relabelled(example.fixed_labels, fixed),
    )


def _read_at(shape: torch.Size, reach: float, generator: torch.Generator) -> Tensor:
    """Draw where each cell (*shape, ndim) is read from: the map that moves ndim + 1 corners as drawn."""
    ndim = len(shape)
    corners = torch.cat([-torch.ones(1, ndim), 2 * torch.eye(ndim) - 1])
    inward = -corners * reach * torch.rand(ndim + 1, ndim, generator=generator)
    homogeneous = torch.cat([corners, torch.ones(ndim + 1, 1)], 1)
    change = torch.linalg.solve(homogeneous, inward)
    middle = (torch.tensor(shape) - 1) / 2
    cells = cell_indices(shape)
    halves = (cells - middle) / middle
    return cells + (halves @ change[:ndim] + change[ndim]) * middle


def _relabelled(labels: Tensor | None, cells: Tensor) -> Tensor | None:
    return None if labels is None else sample(labels[None].float(), cells, "nearest")[0].round().int()
