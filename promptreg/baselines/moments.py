"""Affine or rigid registration by moments of the bodies: no landmark, no search, no learning.

The centroid and the principal axes of the body are laid over each other. Axes have no sign and nearly equal
ones no order: all proper rotations that map axes to axes, and the pre-alignment itself, are tried, and the
one whose bodies overlap best wins; among those that overlap about as well, intensities decide.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptreg.baselines.handover import one_channel
from promptreg.body import body_mask
from promptreg.config import Baselines
from promptreg.geometry import affine_to_ddf, antialiased, limited, resample, world_coordinates
from promptreg.types import Ddf, Grid, Image, Pair

CELLS = {2: 128, 3: 40}
"""Cells along the longest side of the grid on which candidates are compared."""
MAX_SCALE = 1.6
"""Scaling along an axis beyond which the bodies are not the same structure: lengths are kept then."""
CLOSE = 0.05
"""Dice below the best at which intensities decide."""


class Moments:
    """Alignment by the centroid and the second moments of the body masks."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the affine map as the canonical field."""
        del settings, workdir
        return affine_to_ddf(moments_affine(pair), pair.fixed.grid)


@dataclass(frozen=True, eq=False)
class Body:
    """A body on a coarse grid: `mask` and grey `values` (*grid.shape), its centroid, axes and their lengths.

    `axes` (ndim, ndim) holds the axes as columns, a right-handed frame, `lengths` (ndim,) the standard
    deviations along them.
    """

    mask: Tensor
    values: Tensor
    grid: Grid
    center: np.ndarray
    axes: np.ndarray
    lengths: np.ndarray


def moments_affine(pair: Pair) -> np.ndarray:
    """Return the homogeneous world map (ndim + 1, ndim + 1), fixed to moving.

    The pre-alignment where a body fills its image, so that its moments are the image's own.
    """
    moving, fixed = measured(pair.moving), measured(pair.fixed)
    if bool(moving.mask.all()) or bool(fixed.mask.all()):
        return pair.prealignment
    candidates = [pair.prealignment, *candidate_maps(moving, fixed)]
    overlaps = np.array([overlap(moving, fixed, one) for one in candidates])
    close = np.flatnonzero(overlaps >= overlaps.max() - CLOSE)
    likeness = [correlation(moving, fixed, candidates[number]) for number in close]
    return candidates[close[int(np.argmax(likeness))]]


def measured(image: Image) -> Body:
    """Measure the body of an image."""
    grid = limited(image.grid, CELLS[image.grid.ndim])
    mask = antialiased(body_mask(image).cpu()[None].float(), image.grid, grid)[0]
    values = antialiased(torch.as_tensor(one_channel(image.data))[None].float(), image.grid, grid)[0]
    world = world_coordinates(grid).double().flatten(0, -2).numpy()
    share = mask.flatten().double().numpy() / float(mask.double().sum())
    center = share @ world
    spread = (world - center).T @ (share[:, None] * (world - center))
    variances, axes = np.linalg.eigh(spread)
    axes[:, 0] *= np.sign(np.linalg.det(axes))
    return Body(mask, values, grid, center, axes, np.sqrt(variances.clip(min=1e-12)))


def candidate_maps(moving: Body, fixed: Body) -> list[np.ndarray]:
    """Return all maps, fixed to moving, of the frames onto each other: rotations, and with scaled axes.

    4 rotations in 2D and 24 in 3D.
    """
    ndim = len(fixed.center)
    maps = []
    for order in itertools.permutations(range(ndim)):
        for signs in itertools.product((1.0, -1.0), repeat=ndim):
            turn = np.eye(ndim)[:, list(order)] * signs
            if np.linalg.det(turn) < 0:
                continue
            maps.append(_map(moving, fixed, turn))
            scales = moving.lengths / (np.abs(turn) @ fixed.lengths)
            if max(scales.max(), 1 / scales.min()) <= MAX_SCALE:
                maps.append(_map(moving, fixed, scales[:, None] * turn))
    return maps


def overlap(moving: Body, fixed: Body, matrix: np.ndarray) -> float:
    """Return the Dice of the fixed body and the moving one under a map, fixed to moving."""
    moved = resample(moving.mask[None], moving.grid, fixed.grid, transform=matrix)[0]
    return float(2 * torch.minimum(moved, fixed.mask).sum() / (moved.sum() + fixed.mask.sum()))


def correlation(moving: Body, fixed: Body, matrix: np.ndarray) -> float:
    """Return the absolute correlation of intensities where both bodies are; 0 where it is undefined."""
    moved = resample(moving.values[None], moving.grid, fixed.grid, transform=matrix)[0]
    inside = resample(moving.mask[None], moving.grid, fixed.grid, transform=matrix)[0] > 0.5
    both = inside & (fixed.mask > 0.5)
    if int(both.sum()) < 2:
        return 0.0
    return abs(float(torch.corrcoef(torch.stack([moved[both], fixed.values[both]]))[0, 1].nan_to_num()))


def _map(moving: Body, fixed: Body, linear: np.ndarray) -> np.ndarray:
    """World map that takes the fixed frame to the moving one by a linear map between their coordinates."""
    matrix = np.eye(len(linear) + 1)
    matrix[:-1, :-1] = moving.axes @ linear @ fixed.axes.T
    matrix[:-1, -1] = moving.center - matrix[:-1, :-1] @ fixed.center
    return matrix
