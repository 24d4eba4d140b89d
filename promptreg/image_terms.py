"""How unlike two images are through a deformation: what joins the regions in the fit.

Regions say which parts correspond; the images say where exactly. Intensities are compared by local
correlation or mutual information; descriptors, MIND-SSC and the features of the model's own encoder, by their
squared distance, which needs no relation of intensities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.fit_levels import image_layers
from promptreg.fit_losses import image_loss
from promptreg.geometry import cell_indices, sample
from promptreg.mind import mind_ssc
from promptreg.regrid import brought
from promptreg.shared_components import shared_components
from promptreg.types import Embedding, Grid, Pair

INTENSITIES = ("ncc", "mi")
DISTANCE_SCALE = 12.0
"""A mean squared distance of descriptors counts so many times, as in ConvexAdam: a sum over MIND-SSC's 12."""

APART = 1.5
"""Every second cell suffices for descriptors along axes of a volume whose cells are at most so many smallest
ones long: neighbouring descriptors are made of the same cells."""

Cells = tuple[slice, ...]
"""One slice for each axis of a grid."""
Embeddings = tuple[Embedding, Embedding]
"""Of the moving and the fixed image, as they are."""


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoder's features of both images share (c, *grid.shape), each on its own feature grid."""

    moving: Tensor
    moving_grid: Grid
    fixed: Tensor
    fixed_grid: Grid

    @classmethod
    def of(cls, embeddings: Embeddings, device: torch.device | str = "cpu") -> Features:
        """Read them from the embeddings of both images."""
        moving, fixed = embeddings
        maps = shared_components(fixed, moving)
        return cls(maps[1].to(device), moving.feature_grid, maps[0].to(device), fixed.feature_grid)

    def on(self, grid: Grid, start: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return fixed features on `grid` (c, *grid.shape), and moving ones as `start` lays them."""
        fixed = brought(self.fixed, self.fixed_grid, grid, np.eye(grid.ndim + 1))
        return fixed, brought(self.moving, self.moving_grid, grid, start)


class ImageTerms:
    """Weighted dissimilarities of a pair on one grid over the fixed field of view.

    MIND-SSC of the moving image is made as `start` lays it into the fixed one, so that its directions are
    compared with the same ones. Features are only read there: they are those of the image as it is.
    """

    def __init__(
        self,
        pair: Pair,
        grid: Grid,
        start: np.ndarray,
        weights: Mapping[str, float],
        *,
        features: Features | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Prepare terms `weights` (name to weight) of a pair; `start` is a world map, fixed to moving.

        Raises:
            ValueError: features have a weight and are not there.
        """
        if "features" in weights and features is None:
            msg = f"{pair.name or 'pair'}: the image term 'features' needs the embeddings of both images"
            raise ValueError(msg)
        self._start = start
        self._weights = weights
        self._images = image_layers(pair, grid, device)
        self._inside = self._images.overlap(start)
        self._every = _every_second(grid)
        self._cells = cell_indices(grid.shape, device)[self._every]
        maps = []
        if "mind" in weights:
            maps.append((weights["mind"], self._mind()))
        if "features" in weights and features is not None:
            maps.append((weights["features"], features.on(grid, start)))
        self._maps = _joined(maps, self._every) if maps else None

    def __call__(self, displacement: Tensor) -> Tensor:
        """Return the weighted sum over the cells that `start` sends into the moving field of view.

        `displacement` (ndim, *grid.shape) is in voxel form. Zero where no cell is sent there.
        """
        total = displacement.new_zeros(())
        if not self._inside.any():
            return total
        for kind in INTENSITIES:
            if kind in self._weights:
                moved = self._images.moved(self._start, displacement)[0]
                loss = image_loss(moved, self._images.fixed[0], self._inside, kind=kind)
                total = total + self._weights[kind] * loss
        if self._maps is not None:
            fixed, moving = self._maps
            read_at = self._cells + displacement.movedim(0, -1)[self._every]
            squared = (sample(moving, read_at, padding="border") - fixed).square().sum(0)
            inside = self._inside[self._every]
            total = total + (squared * inside).sum() / inside.sum().clamp(min=1)
        return total

    def _mind(self) -> tuple[Tensor, Tensor]:
        """MIND-SSC (C, *grid.shape) of the fixed image and of the moving one as `start` lays it."""
        images = self._images
        return mind_ssc(images.fixed[0]), mind_ssc(images.moved(self._start)[0])


def _joined(maps: list[tuple[float, tuple[Tensor, Tensor]]], every: Cells) -> tuple[Tensor, Tensor]:
    """Lay descriptors one after the other, weighted: their squared distances add up; the fixed at `every`."""
    scales = [(DISTANCE_SCALE * weight / len(fixed)) ** 0.5 for weight, (fixed, _) in maps]
    fixed = torch.cat([scale * one[:, *every] for scale, (_, (one, _)) in zip(scales, maps, strict=True)])
    moving = torch.cat([scale * one for scale, (_, (_, one)) in zip(scales, maps, strict=True)])
    return fixed, moving


def _every_second(grid: Grid) -> Cells:
    """The cells of a grid on which descriptors are compared: all of a plane, fewer of a volume."""
    close = (grid.spacing < APART * grid.spacing.min()) & (grid.ndim == 3)
    return tuple(slice(None, None, 2 if one else 1) for one in close)
