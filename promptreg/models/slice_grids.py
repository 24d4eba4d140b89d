"""Grids of single slices and of volumes made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promptreg.geometry import default_affine
from promptreg.types import Grid


def slicing_axis(grid: Grid) -> int:
    """Return the array axis across which a volume is sliced: the coarsest, the first of equals."""
    return int(np.argmax(np.round(grid.spacing / grid.spacing.max(), 6)))


def plane_of(grid: Grid, axis: int) -> Grid:
    """Return the planar grid of a volume's slices, in a world of its own at the origin."""
    kept = [a for a in range(3) if a != axis]
    spacing = grid.spacing[kept]
    return Grid(tuple(grid.shape[a] for a in kept), default_affine(2, spacing.tolist()), grid.unit)


def lift(planar: Grid, volume: Grid, axis: int) -> Grid:
    """Return the grid of all slices whose planar grid in the world of `plane_of` is `planar`."""
    kept = [a for a in range(3) if a != axis]
    to_index = np.linalg.inv(plane_of(volume, axis).affine) @ planar.affine
    matrix = np.eye(4)
    matrix[np.ix_([*kept, 3], [*kept, 3])] = to_index
    shape = list(volume.shape)
    shape[kept[0]], shape[kept[1]] = planar.shape
    return Grid(tuple(shape), volume.affine @ matrix, volume.unit)


def lower(stacked: Grid, volume: Grid, axis: int) -> Grid:
    """Undo `lift`."""
    kept = [a for a in range(3) if a != axis]
    to_index = (np.linalg.inv(volume.affine) @ stacked.affine)[np.ix_([*kept, 3], [*kept, 3])]
    plane = plane_of(volume, axis)
    return replace(plane, shape=tuple(stacked.shape[a] for a in kept), affine=plane.affine @ to_index)


def moved_to(part: Grid, source: Grid, target: Grid) -> Grid:
    """Return the grid that lies in an image on `target` as `part` lies in one of its shape on `source`."""
    return Grid(part.shape, target.affine @ np.linalg.inv(source.affine) @ part.affine, target.unit)
