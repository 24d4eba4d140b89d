"""Planar sections of images, masks and fields: the only place where figures meet coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from promptreg.geometry import index_to_world, resample, world_to_index
from promptreg.types import Ddf, Grid, Image


@dataclass(frozen=True, eq=False)
class Section:
    """A plane of cells: `grid` has one cell along `axis` (None for a 2D image, which is its own section)."""

    grid: Grid
    axis: int | None = None

    @property
    def in_plane(self) -> list[int]:
        """The array axes that are drawn as rows and columns."""
        return [a for a in range(self.grid.ndim) if a != self.axis]

    def read(self, data: Tensor, source: Grid, *, mode: str = "bilinear") -> np.ndarray:
        """Read `data` (C, *source.shape) on the plane, (C, rows, columns); zero outside."""
        return self.flatten(resample(data.float(), source, self.grid, mode=mode))

    def flatten(self, data: Tensor) -> np.ndarray:
        """Drop the thin axis of (C, *grid.shape)."""
        return (data if self.axis is None else data.squeeze(self.axis + 1)).cpu().numpy()

    def project(self, points: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return where world points (N, ndim) are drawn: (N, 2) column and row, (N,) cells off the plane."""
        index = world_to_index(self.grid, points.double()).cpu().numpy()
        off = np.zeros(len(index)) if self.axis is None else np.abs(index[:, self.axis])
        return index[:, self.in_plane[::-1]], off

    def field(self, ddf: Ddf) -> Ddf:
        """Return the field on the cells of the plane."""
        return Ddf(resample(ddf.displacement, ddf.grid, self.grid, padding="border"), self.grid)


def section(grid: Grid, center: Tensor | None = None) -> Section:
    """Return the section of a grid through the world point `center` (the middle if absent).

    A volume is cut across its coarsest axis, so that its best-resolved planes are seen; among equals,
    across the one nearest to the world's z.
    """
    if grid.ndim == 2:
        return Section(grid)
    axis = _slicing_axis(grid)
    middle = torch.as_tensor(grid.center) if center is None else center.double()
    index = round(float(world_to_index(grid, middle[None])[0, axis]))
    return _cut(grid, axis, min(max(index, 0), grid.shape[axis] - 1))


def busiest_section(grid: Grid, masks: Tensor, masks_grid: Grid, *, n_tried: int = 48) -> Section:
    """Return the section of a grid that shows most of the masks (K, *masks_grid.shape) in [0, 1].

    Each mask counts by its area in the section over its largest area in any; all planes are tried, or
    `n_tried` evenly spaced ones. Falls back to the middle where nothing is seen.
    """
    if grid.ndim == 2 or len(masks) == 0:
        return section(grid)
    axis = _slicing_axis(grid)
    tried = np.unique(np.linspace(0, grid.shape[axis] - 1, n_tried).round().astype(int))
    planes = [_cut(grid, axis, int(i)) for i in tried]
    areas = torch.stack([resample(masks.float(), masks_grid, p.grid).flatten(1).sum(1) for p in planes])
    share = (areas / areas.amax(0).clamp(min=1e-6)).sum(1)
    return planes[int(share.argmax())] if share.max() > 0 else section(grid)


def picture(image: Image, plane: Section) -> np.ndarray:
    """Return the image on a section for display, (rows, columns) or (rows, columns, 3) in [0, 1]."""
    return stretched(plane.read(image.data, image.grid))


def stretched(data: np.ndarray) -> np.ndarray:
    """Stretch (C, rows, columns) between its 1st and 99.5th percentiles; the first channel unless three."""
    shown = data if len(data) == 3 else data[:1]
    low, high = np.percentile(shown, [1, 99.5])
    scaled = np.clip((shown - low) / max(high - low, 1e-6), 0, 1)
    return np.moveaxis(scaled, 0, -1) if len(scaled) == 3 else scaled[0]


def grey(shown: np.ndarray) -> np.ndarray:
    """Return the (rows, columns) brightness of a picture."""
    return shown if shown.ndim == 2 else shown @ np.array([0.299, 0.587, 0.114])


def show(ax: Axes, shown: np.ndarray, plane: Section) -> None:
    """Draw a picture to scale, with the world's x to the right, y down, and z up."""
    rows, columns = plane.in_plane
    spacing = plane.grid.spacing
    ax.imshow(
        shown,
        cmap="gray",
        vmin=0,
        vmax=1,
        aspect=spacing[rows] / spacing[columns],
        interpolation="antialiased",
    )
    height, width = shown.shape[:2]
    direction = plane.grid.affine[:-1, :-1] / spacing
    left_to_right = direction[np.abs(direction[:, columns]).argmax(), columns] > 0
    world_row = int(np.abs(direction[:, rows]).argmax())
    top_to_bottom = (direction[world_row, rows] > 0) == (world_row < 2)
    ax.set_xlim((-0.5, width - 0.5) if left_to_right else (width - 0.5, -0.5))
    ax.set_ylim((height - 0.5, -0.5) if top_to_bottom else (-0.5, height - 0.5))
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def shape_ratio(plane: Section) -> float:
    """Return height over width of the section as drawn."""
    rows, columns = plane.in_plane
    return float(plane.grid.extent[rows] / plane.grid.extent[columns])


def outline(ax: Axes, mask: np.ndarray, **style: Any) -> None:
    """Draw the 0.5 contour of a mask (rows, columns), closed at the border of the picture."""
    if mask.max() < 0.5:
        return
    padded = np.pad(mask.astype(float), 1)
    rows, columns = (np.arange(-1, n + 1) for n in mask.shape)
    ax.contour(columns, rows, padded, levels=[0.5], **style)


def deformation_lines(ax: Axes, ddf: Ddf, plane: Section, *, n_lines: int = 16, **style: Any) -> None:
    """Draw where the moving image's regular grid lines come to lie in the fixed section.

    They are the level lines of the in-plane coordinates of T(p) = p + u(p).
    """
    field = plane.field(ddf)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in field.grid.shape), indexing="ij"), axis=-1)
    world = index_to_world(field.grid, torch.as_tensor(cells).double())
    moved = world_to_index(field.grid, world + field.displacement.movedim(0, -1).double())
    rows, columns = plane.in_plane
    coordinates = plane.flatten(moved.movedim(-1, 0))
    spacing = plane.grid.spacing
    step = max(plane.grid.extent[rows], plane.grid.extent[columns]) / n_lines
    for axis in (rows, columns):
        levels = np.arange(
            coordinates[axis].min() // (step / spacing[axis]),
            coordinates[axis].max() / (step / spacing[axis]) + 1,
        )
        ax.contour(coordinates[axis], levels=levels * step / spacing[axis], **style)


def _slicing_axis(grid: Grid) -> int:
    along_z = np.abs(grid.affine[2, :3]) / grid.spacing
    return int(np.argmax(np.round(grid.spacing / grid.spacing.min(), 1) + 0.01 * along_z))


def _cut(grid: Grid, axis: int, index: int) -> Section:
    shift = np.eye(grid.ndim + 1)
    shift[axis, -1] = index
    shape = tuple(1 if a == axis else n for a, n in enumerate(grid.shape))
    return Section(Grid(shape, grid.affine @ shift, grid.unit), axis)
