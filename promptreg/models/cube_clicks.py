"""Clicks on a volume, handed to the cube of a tiling in which they are decoded."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import apply_affine
from promptreg.models.volume_tiles import Tiling
from promptreg.types import Grid


def clicks_in_cubes(
    tiling: Tiling, image_grid: Grid, points: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Move prompts (B, P, 3) from voxels of an image to those of the cube that is nearest to each.

    That is the cube whose middle is nearest to the first positive click, which comes first; clicks outside
    it become padding.

    Returns:
        The number (B,) of the cube, points (B, P, 3) in its voxels, labels (B, P).
    """
    points, labels = first_positive_first(points.float(), labels)
    to_volume = np.linalg.inv(tiling.volume.affine) @ image_grid.affine
    in_lattice = tiling.lattice_index(apply_affine(to_volume, points))
    tile = tiling.nearest(in_lattice[:, 0].detach())
    in_cube = in_lattice - tiling.starts.to(in_lattice)[tile][:, None]
    return tile, in_cube, _reachable(in_cube.detach(), labels, tiling.side)


def first_positive_first(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Reorder points (B, P, 3) and labels (B, P): first positive one, others as they come, padding last."""
    rank = torch.where(labels == -1, 1, 0)
    rank = rank.scatter(1, (labels == 1).long().argmax(1, keepdim=True), -1)
    order = rank.argsort(dim=1, stable=True)
    return points.gather(1, order[..., None].expand_as(points)), labels.gather(1, order)


def _reachable(points: Tensor, labels: Tensor, side: int) -> Tensor:
    """Labels (B, P) with padding where points (B, P, 3) are outside the cube, but for the first."""
    inside = ((points >= -0.5) & (points <= side - 0.5)).all(-1)
    inside[:, 0] = True
    return torch.where(inside, labels, -1)
