"""The nouns of the package: grids, images, embeddings, candidate masks, ROI pairs, fields.

Arrays are channel-first with spatial axes in array order, (C, Y, X) or (C, Z, Y, X). Points and
displacements in world coordinates have their components in the order (x, y) or (x, y, z), LPS,
in millimetres (or in pixels where an image carries no spacing; `Grid.unit` says which). Points
in index coordinates have theirs in array order, (y, x) or (z, y, x), with integers at cell centres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of cells in the world.

    Attributes:
        shape: number of cells along each array axis, (Y, X) or (Z, Y, X).
        affine: (ndim + 1, ndim + 1) float64, homogeneous map from array index to world; the rows are
            the world axes x, y(, z) and the columns the array axes (z,) y, x.
        unit: "mm", or "px" where the source states no spacing.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    unit: str = "mm"

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> np.ndarray:
        """(ndim,) distance between neighbouring cells along each array axis, in `unit`."""
        return np.linalg.norm(self.affine[:-1, :-1], axis=0)

    @property
    def extent(self) -> np.ndarray:
        """(ndim,) size of the field of view along each array axis, in `unit`."""
        return self.spacing * np.asarray(self.shape)

    @property
    def center(self) -> np.ndarray:
        """(ndim,) world coordinates of the middle of the grid."""
        index = (np.asarray(self.shape) - 1) / 2
        return self.affine[:-1, :-1] @ index + self.affine[:-1, -1]


@dataclass(frozen=True, eq=False)
class Image:
    """An image: `data` (C, *grid.shape) float32 on a grid."""

    data: Tensor
    grid: Grid
    name: str = ""


@dataclass(frozen=True, eq=False)
class PointPrompts:
    """K prompts of P points each: `points` (K, P, ndim) world, `labels` (K, P) 1, 0 or -1 for padding."""

    points: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> PointPrompts:
        """Return the same prompts on a device."""
        return PointPrompts(self.points.to(device), self.labels.to(device))

    def each(self, chosen: Tensor) -> PointPrompts:
        """Return one prompt for every true cell (k, j) of `chosen` (K, J) bool, in row order."""
        rows = chosen.nonzero()[:, 0]
        return PointPrompts(self.points[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Embedding:
    """What an image encoder made of one image, and the grids on which it lives.

    Attributes:
        features: (C, *feature_grid.shape) float32.
        feature_grid: grid of the feature cells.
        image_grid: grid of the image that was embedded; prompts are given in its index coordinates.
        mask_grid: grid of the masks that `decode` returns.
        extras: whatever else `decode` needs, by name.
    """

    features: Tensor
    feature_grid: Grid
    image_grid: Grid
    mask_grid: Grid
    extras: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate masks of B prompts: `logits` (B, M, *mask_grid.shape), own `scores` (B, M), highest best."""

    logits: Tensor
    scores: Tensor

    def best(self) -> Tensor:
        """(B,) index of each prompt's candidate with the highest own score."""
        return self.scores.argmax(dim=1)

    def select(self, index: Tensor) -> Tensor:
        """(B, *mask_grid.shape) logits of candidate `index` (B,) of each prompt."""
        return self.logits[torch.arange(len(index), device=index.device), index]


@dataclass(frozen=True, eq=False)
class RoiPairs:
    """K corresponding regions of interest as probabilities, each on its own image's mask grid.

    Attributes:
        moving: (K, *moving_grid.shape) in [0, 1].
        fixed: (K, *fixed_grid.shape) in [0, 1].
        weights: (K,) non-negative weight of each pair in the fit.
    """

    moving: Tensor
    fixed: Tensor
    moving_grid: Grid
    fixed_grid: Grid
    weights: Tensor


@dataclass(frozen=True, eq=False)
class Ddf:
    """The canonical dense displacement field.

    `displacement` (ndim, *grid.shape) float32 lives on the fixed image's own grid; its components are
    world displacements (x, y(, z)) in `grid.unit`, fixed to moving: a fixed world point p corresponds
    to the moving world point p + displacement(p). The pre-alignment is already composed into it.
    """

    displacement: Tensor
    grid: Grid


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images to register, and the pre-alignment that every method is given.

    `prealignment` (ndim + 1, ndim + 1) float64 is a homogeneous world map, fixed to moving.
    """

    moving: Image
    fixed: Image
    prealignment: np.ndarray
    name: str = ""


def check_alike(moving: Image, fixed: Image) -> None:
    """Raise ValueError unless two images can be a pair: equal dimensions and equal units."""
    if moving.grid.ndim != fixed.grid.ndim:
        msg = f"moving is {moving.grid.ndim}D and fixed is {fixed.grid.ndim}D; a pair needs equal dimensions"
        raise ValueError(msg)
    if moving.grid.unit != fixed.grid.unit:
        msg = (
            f"moving is measured in {moving.grid.unit} and fixed in {fixed.grid.unit}; "
            "give both images a spacing, or neither"
        )
        raise ValueError(msg)
