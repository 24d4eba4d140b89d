"""Volumes for encoders of cubes: canonical axes, one spacing, and cubes that overlap by half.

An encoder sees a cube of fixed size. A volume that is smaller lies in the middle of one; a larger one is
covered by a lattice of them. Features are blended on one grid, so that similarity runs over the whole volume;
a prompt is decoded in the one cube whose middle is nearest. Cells without a voxel of the volume are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
import torch
from nibabel.orientations import inv_ornt_aff, io_orientation
from torch import Tensor
from torch.nn.functional import pad

from promptreg.types import Grid

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def canonical(grid: Grid) -> Grid:
    """Return the same voxels with axes that run, as nearly as they can, to the right, to the front and up.

    As NIfTI viewers and `torchio.ToCanonical` reorder arrays: axes are swapped and turned about, never mixed.
    """
    orientation = io_orientation(LPS_TO_RAS @ grid.affine)
    order = np.argsort(orientation[:, 0])
    shape = tuple(grid.shape[axis] for axis in order)
    return Grid(shape, grid.affine @ inv_ornt_aff(orientation, grid.shape), grid.unit)


def respaced(grid: Grid, spacing: float) -> Grid:
    """Return a grid of cubic voxels with the same low outer edges; the high ones lie less than one beyond."""
    factor = spacing / grid.spacing
    shape = tuple(max(1, ceil(n / f - 1e-6)) for n, f in zip(grid.shape, factor, strict=True))
    to_old = np.diag([*factor, 1.0])
    to_old[:-1, -1] = (factor - 1) / 2
    return Grid(shape, grid.affine @ to_old, grid.unit)


@dataclass(frozen=True, eq=False)
class Tiling:
    """How cubes cover a volume.

    Attributes:
        volume: grid of the volume.
        side: voxels along an edge of a cube; neighbouring cubes are half of that apart.
        counts: number of cubes along each axis.
        offset: index of the volume's first voxel in the lattice of cubes; outside the volume is padding.
    """

    volume: Grid
    side: int
    counts: tuple[int, ...]
    offset: tuple[int, ...]

    @classmethod
    def of(cls, volume: Grid, side: int) -> Tiling:
        """Cover a volume with cubes, centred as a whole."""
        step = side // 2
        counts = tuple(ceil(max(n - side, 0) / step) + 1 for n in volume.shape)
        margins = (side + step * (m - 1) - n for m, n in zip(counts, volume.shape, strict=True))
        return cls(volume, side, counts, tuple((margin + 1) // 2 for margin in margins))

    @property
    def starts(self) -> Tensor:
        """First voxels (T, 3) of all cubes in the lattice, the last axis fastest."""
        step = self.side // 2
        return torch.tensor([[step * i for i in at] for at in product(*(range(n) for n in self.counts))])

    def cut(self, data: Tensor) -> list[Tensor]:
        """Cut data (*volume.shape) into T cubes (side, side, side), with zeros beyond the volume."""
        spare = (
            (low, self.side + self.side // 2 * (m - 1) - low - n)
            for low, m, n in zip(self.offset, self.counts, data.shape, strict=True)
        )
        lattice = pad(data, [one for pair in reversed(list(spare)) for one in pair])
        side = self.side
        return [lattice[i : i + side, j : j + side, k : k + side] for i, j, k in self.starts.tolist()]

    def lattice_index(self, index: Tensor) -> Tensor:
        """Move points (..., 3) from voxels of the volume to voxels of the lattice."""
        return index + torch.tensor(self.offset).to(index)

    def nearest(self, points: Tensor) -> Tensor:
        """Number (B,) of the cube whose middle is nearest to each point (B, 3) in voxels of the lattice."""
        counts = torch.tensor(self.counts, device=points.device)
        along = ((points - (self.side - 1) / 2) / (self.side // 2)).round().long()
        i, j, k = along.clamp_min(0).minimum(counts - 1).unbind(-1)
        return (i * self.counts[1] + j) * self.counts[2] + k

    def cells(self, stride: int, coarsest: int) -> tuple[Grid, list[tuple[int, int]]]:
        """Return the grid of cells of `stride` voxels that are kept, and the first and last + 1 on each axis.

        Kept are whole cells of `coarsest` voxels that hold a voxel of the volume, so that grids of several
        strides share their outline.
        """
        per_cell = coarsest // stride
        spans = [
            (low // coarsest * per_cell, ceil((low + n) / coarsest) * per_cell)
            for low, n in zip(self.offset, self.volume.shape, strict=True)
        ]
        to_volume = np.diag([stride, stride, stride, 1.0])
        firsts = np.array([first for first, _ in spans])
        to_volume[:-1, -1] = stride * firsts + (stride - 1) / 2 - np.array(self.offset)
        shape = tuple(end - first for first, end in spans)
        return Grid(shape, self.volume.affine @ to_volume, self.volume.unit), spans

    def blended(self, tiles: Tensor) -> Tensor:
        """Blend features (T, C, n, n, n) of all cubes into (C, *cells); cells near a middle count most."""
        n_cells = tiles.shape[-1]
        stride = self.side // n_cells
        tent = torch.arange(1, n_cells + 1, device=tiles.device).to(tiles)
        tent = torch.minimum(tent, tent.flip(0))
        weight = tent[:, None, None] * tent[:, None] * tent
        shape = [n_cells // 2 * (m + 1) for m in self.counts]
        total, weights = tiles.new_zeros(tiles.shape[1], *shape), tiles.new_zeros(shape)
        for tile, start in zip(tiles, (self.starts // stride).tolist(), strict=True):
            i, j, k = (slice(at, at + n_cells) for at in start)
            total[:, i, j, k] += weight * tile
            weights[i, j, k] += weight
        kept = (slice(first, end) for first, end in self.cells(stride, stride)[1])
        return (total / weights)[:, *kept]

    def placed(self, logits: Tensor, tile: Tensor, coarsest: int, outside: float) -> Tensor:
        """Put logits (B, M, n, n, n) of cubes `tile` (B,) on the grid of kept cells, `outside` elsewhere."""
        stride = self.side // logits.shape[-1]
        grid, spans = self.cells(stride, coarsest)
        rows = [(tile == number).nonzero().flatten() for number in tile.unique().tolist()]
        parts = [logits.new_zeros(0, logits.shape[1], *grid.shape)]
        for chosen in rows:
            starts = (self.starts[tile[chosen[0]]] // stride).tolist()
            spare = [(at - a, b - at - logits.shape[-1]) for at, (a, b) in zip(starts, spans, strict=True)]
            widths = [one for pair in reversed(spare) for one in pair]
            parts.append(pad(logits[chosen], widths, value=outside))
        order = torch.cat([tile.new_zeros(0), *rows]).argsort()
        return torch.cat(parts)[order]
