"""Cubes of voxels about a place in a volume, seen in cells as coarse as their size asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad


@dataclass(frozen=True)
class Cube:
    """A cube of `side` voxels that may reach beyond its volume; `low` is its first voxel."""

    low: tuple[int, ...]
    side: int

    @classmethod
    def about(cls, centre: tuple[int, ...], side: int) -> Self:
        """Return the cube of this side whose middle is at a voxel."""
        return cls(tuple(c - side // 2 for c in centre), side)

    def seen(self, data: Tensor, n_cells: int, mode: str) -> Tensor:
        """Bring data (C, *spatial) to (C, n, n, n) cells of the cube, with zeros beyond the volume.

        `mode` is "linear", "area" or "nearest", as `torch.nn.functional.interpolate` has it. These act on one
        axis after the other, so that the cube itself, which may be far larger than the volume, is not made.
        """
        if n_cells == self.side:
            return pad(data, [one for pair in reversed(self._spare(data.shape[1:])) for one in pair])
        weights = [
            interpolate(pad(torch.eye(n, device=data.device), spare)[None], n_cells, mode=mode)[0]
            for n, spare in zip(data.shape[1:], self._spare(data.shape[1:]), strict=True)
        ]
        return torch.einsum("czyx,zk,yj,xi->ckji", data, *weights)

    def paste(self, whole: Tensor, cells: Tensor) -> None:
        """Write cells (n, n, n) of the cube, interpolated to voxels, into what it shares with (*spatial)."""
        ends = [(max(low, 0), min(low + self.side, n)) for low, n in zip(self.low, whole.shape, strict=True)]
        inner = [slice(a - low, b - low) for (a, b), low in zip(ends, self.low, strict=True)]
        at = tuple(slice(a, b) for a, b in ends)
        if len(cells) == self.side:
            whole[at] = cells[tuple(inner)]
            return
        fine = interpolate(torch.eye(len(cells), device=cells.device)[None], self.side, mode="linear")[0]
        whole[at] = torch.einsum("kji,kz,jy,ix->zyx", cells, *(fine[:, part] for part in inner))

    def _spare(self, shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """How far the cube reaches beyond either end of each axis; negative where it ends before."""
        return [(-low, low + self.side - n) for low, n in zip(self.low, shape, strict=True)]
