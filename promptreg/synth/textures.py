"""Random textures as functions of place, so that they move with the tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptreg.synth.draws import Draws

FAMILIES = ("smooth", "speckle", "stripes", "blobs", "vessels")
LATTICE = {2: 64, 3: 24}
FINEST_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Textures:
    """One texture of each family for each of N scenes.

    Attributes:
        lattices: (N, 4, *lattice) noise of unit variance: smooth, white, smooth, smooth.
        maps: (N, 4, ndim, ndim) from the scene to the lattice, which spans -1 to 1 and is mirrored beyond.
        stripes: (N, ndim) angular frequency of the stripes.
    """

    lattices: Tensor
    maps: Tensor
    stripes: Tensor

    def __call__(self, places: Tensor) -> list[Tensor]:
        """Return the T textures (N, P), of the order of 1, at places (N, ndim, P)."""
        smooth, speckle, lumps, veins = (self._noise(places, lattice) for lattice in range(4))
        angles = (self.stripes[:, None] @ places)[:, 0]
        stripes = (angles + 1.5 * smooth).sin_()
        blobs = torch.sigmoid(6 * (lumps - 0.7)) * 2 - 0.5
        vessels = (veins * 5).square_().neg_().exp_() * 2 - 0.4
        return [smooth, speckle, stripes, blobs, vessels]

    def elsewhere(self) -> Textures:
        """Return the same textures half a lattice away, where nothing looks the same in detail."""
        axes = tuple(range(2, self.lattices.ndim))
        half = [self.lattices.shape[-1] // 2] * len(axes)
        return replace(self, lattices=self.lattices.roll(half, axes))

    def _noise(self, places: Tensor, lattice: int) -> Tensor:
        n, ndim, n_places = places.shape
        where = (self.maps[:, lattice] @ places).mT.reshape(n, *[1] * (ndim - 1), n_places, ndim)
        values = self.lattices[:, lattice, None]
        noise = torch.nn.functional.grid_sample(values, where, padding_mode="reflection", align_corners=True)
        return noise.reshape(n, n_places)


def draw_textures(draws: Draws, n: int, ndim: int, side: int) -> Textures:
    """Draw the textures of N scenes; the finest ones vary from cell to cell of a `side` cells wide image."""
    size = LATTICE[ndim]
    white = draws.normal(n, 4, *[size] * ndim)
    smooth = _smoothed(white)
    lattices = torch.cat((smooth[:, :1], white[:, 1:2], smooth[:, 2:]), 1)
    widest = side / size * FINEST_SHARE
    zoom = torch.stack(
        (
            draws.log_uniform(n, low=0.3, high=1.0),
            widest * draws.log_uniform(n, low=0.4, high=1.0),
            draws.log_uniform(n, low=0.6, high=2.5),
            draws.log_uniform(n, low=0.5, high=1.4),
        ),
        1,
    )
    zoom = zoom * 64 / size
    zoom[:, 1] *= size / 64
    angles = math.pi * draws.uniform(n, 4, low=-1, high=1)
    stretch = torch.diag_embed(draws.log_uniform(n, 4, ndim, low=0.7, high=1.4))
    maps = 2 * zoom[..., None, None] * stretch @ draws.rotations(angles, ndim)
    stripes = 2 * math.pi * draws.log_uniform(n, 1, low=8, high=25) * draws.directions(n, ndim)
    return Textures(lattices, maps, stripes)


def _smoothed(noise: Tensor) -> Tensor:
    """Return noise (N, C, *lattice) blurred over a few cells and scaled to unit variance."""
    axes = range(2, noise.ndim)
    for axis in axes:
        noise = torch.stack([weight * noise.roll(shift, axis) for shift, weight in _KERNEL.items()]).sum(0)
    return noise / noise.std(dim=tuple(axes), keepdim=True)


_KERNEL = {-2: 0.4, -1: 0.8, 0: 1.0, 1: 0.8, 2: 0.4}
