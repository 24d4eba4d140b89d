"""Graded known changes of an image: motion, noise, bias field, inverted contrast.

A motion takes what was at world p to another place on the same grid, image, labels and points together. Every
change has one direction, drawn by a seed, along which it grows with its level; at its lowest level nothing
happens.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from promptreg.body import body_mask
from promptreg.config import CorruptionKind
from promptreg.datasets.known_motion import about, border_median, misalign_points, random_deformation
from promptreg.geometry import (
    affine_to_ddf,
    inverse_transform_points,
    warp,
    world_to_index,
)
from promptreg.types import Ddf, Grid, Image

MOTIONS = ("rotation", "shift", "scale", "affine", "elastic")
SMOOTHNESS = 0.08
"""Of elastic motion, share of the longest side: no shorter than what a field of control points can follow."""
N_LATTICE = 14
"""Lattice points along the longest side."""


def corrupt_image(image: Image, kind: CorruptionKind, level: float, seed: int) -> Image:
    """Change an image on its own grid; what enters from outside is the median of its border."""
    if kind in MOTIONS:
        background = border_median(image.data.float()).reshape(-1, *[1] * image.grid.ndim)
        moved = warp(image.data.float() - background, image.grid, motion(image.grid, kind, level, seed))
        return Image(moved + background, image.grid, image.name)
    change = {"noise": _noisy, "bias": _biased, "inversion": _inverted}[kind]
    return Image(change(image, level, seed), image.grid, image.name)


def move_labels(labels: np.ndarray, grid: Grid, kind: CorruptionKind, level: float, seed: int) -> np.ndarray:
    """Move a label map (*grid.shape) as its image is moved; 0 enters, nearest neighbour."""
    if kind not in MOTIONS:
        return labels
    data = torch.from_numpy(labels.astype(np.float32))[None]
    moved = warp(data, grid, motion(grid, kind, level, seed), mode="nearest")
    return moved[0].numpy().astype(labels.dtype)


def move_points(points: np.ndarray, grid: Grid, kind: CorruptionKind, level: float, seed: int) -> np.ndarray:
    """Move world points (N, ndim) as the image on `grid` is moved."""
    if kind not in MOTIONS:
        return points
    if kind != "elastic":
        return misalign_points(points, _matrix(grid, kind, level, seed))
    field = motion(grid, kind, level, seed)
    return inverse_transform_points(field, torch.from_numpy(np.asarray(points, float))).numpy()


def motion(grid: Grid, kind: CorruptionKind, level: float, seed: int) -> Ddf:
    """Return the field that pulls the unmoved image onto `grid`."""
    if kind == "elastic":
        longest = float(grid.extent.max())
        return random_deformation(grid, level * longest, SMOOTHNESS * longest, seed)
    return affine_to_ddf(np.linalg.inv(_matrix(grid, kind, level, seed)), grid)


def lattice(image: Image, kind: CorruptionKind, level: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return world points (N, ndim) in the body of an image, and where they are after the change.

    Points that leave the field of view are left out of both.
    """
    grid = image.grid
    step = float(grid.extent.max()) / N_LATTICE
    body = body_mask(image).numpy()
    axes = [_spread(n, step / spacing) for n, spacing in zip(grid.shape, grid.spacing, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, grid.ndim)
    index = index[body[tuple(index.T)]]
    points = index @ grid.affine[:-1, :-1].T + grid.affine[:-1, -1]
    moved = move_points(points, grid, kind, level, seed)
    seen = world_to_index(grid, torch.from_numpy(moved)).numpy()
    inside = ((seen >= 0) & (seen <= np.array(grid.shape) - 1)).all(axis=1)
    if not inside.any():
        msg = f"{image.name}: no point of the body stays in the field of view under {kind} {level:g}"
        raise ValueError(msg)
    return points[inside], moved[inside]


def _matrix(grid: Grid, kind: CorruptionKind, level: float, seed: int) -> np.ndarray:
    """The homogeneous world map of an affine motion, from where things were to where they are put."""
    rng = np.random.default_rng(seed)
    sign, direction = rng.choice([-1.0, 1.0]), rng.normal(size=grid.ndim)
    direction /= np.linalg.norm(direction)
    linear, shift = np.eye(grid.ndim), np.zeros(grid.ndim)
    if kind == "rotation":
        axis = rng.normal(size=3) if grid.ndim == 3 else np.array([0.0, 0.0, 1.0])
        turn = Rotation.from_rotvec(sign * np.deg2rad(level) * axis / np.linalg.norm(axis)).as_matrix()
        linear = turn[: grid.ndim, : grid.ndim]
    elif kind == "shift":
        shift = grid.affine[:-1, :-1] / grid.spacing @ (level * direction * grid.extent)
    elif kind == "scale":
        linear = (1 + level) ** sign * linear
    else:
        strain = rng.normal(size=(grid.ndim, grid.ndim))
        linear = expm(level * strain / np.linalg.norm(strain, 2))
    return about(grid.center, linear, shift)


def _noisy(image: Image, level: float, seed: int) -> torch.Tensor:
    low, high = _range(image)
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=tuple(image.data.shape))).float()
    return image.data + level * (high - low) * noise


def _biased(image: Image, level: float, seed: int) -> torch.Tensor:
    """A smooth gain over what lies above the darkest, the same in all channels."""
    low, _ = _range(image)
    longest = float(image.grid.extent.max())
    smooth = random_deformation(image.grid, 1.0, 0.2 * longest, seed).displacement[0]
    gain = torch.exp(level * smooth / smooth.abs().max().clamp(min=1e-12))
    return low + (image.data - low) * gain


def _inverted(image: Image, level: float, seed: int) -> torch.Tensor:
    """Solarization: the brightest share of the range is inverted; all of it at level 1."""
    del seed
    low, high = _range(image)
    if level == 0:
        return image.data
    share = ((image.data - low) / (high - low)).clamp(0, 1)
    return low + (high - low) * torch.where(share >= 1 - level, 1 - share, share)


def _range(image: Image) -> tuple[torch.Tensor, torch.Tensor]:
    """The 1st and the 99.5th percentile of each channel, (C, 1, ...) each."""
    flat = image.data.float().flatten(1).numpy()
    low, high = (torch.from_numpy(np.percentile(flat, q, axis=1)).float() for q in (1.0, 99.5))
    shape = (-1, *[1] * image.grid.ndim)
    return low.reshape(shape), torch.maximum(high, low + 1e-6).reshape(shape)


def _spread(n: int, step: float) -> np.ndarray:
    """Indices of about every `step`-th of n cells, half a step from the ends; the middle one at least."""
    count = max(round(n / step), 1)
    return ((np.arange(count) + 0.5) * n / count).astype(int)
