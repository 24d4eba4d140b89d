"""Known motion: random affine maps and smooth diffeomorphisms with which a pair's truth is exact.

A misalignment M is a homogeneous world map from where things were to where they are put. Image, labels
and points move together: what was at world p is at M p afterwards, on the same grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from torch import Tensor

from promptreg.geometry import apply_affine, exponentiate, resample, voxel_to_ddf
from promptreg.types import Ddf, Grid, Image

if TYPE_CHECKING:
    from promptreg.config import Misalign


@dataclass(frozen=True, eq=False)
class KnownPair:
    """A pair with exact truth: images, labels (*grid.shape) int32 or None, landmarks (N, ndim) world."""

    moving: Image
    fixed: Image
    moving_labels: np.ndarray | None
    fixed_labels: np.ndarray | None
    moving_landmarks: np.ndarray
    fixed_landmarks: np.ndarray
    label_names: Mapping[int, str] = field(default_factory=dict)


def misalignment_matrix(grid: Grid, misalign: Misalign, seed: int) -> np.ndarray:
    """Draw a similarity map about the grid's centre; (ndim + 1, ndim + 1) world matrix.

    The angle is uniform up to `rotation_deg` either way (about a random axis in 3D), the scaling factor
    log-uniform between 1 / `scale` and `scale`, the shift uniform up to `shift` of the field of view
    along each array axis.
    """
    rng = np.random.default_rng(seed)
    angle = np.deg2rad(rng.uniform(-misalign.rotation_deg, misalign.rotation_deg))
    factor = np.exp(rng.uniform(-1, 1) * np.log(misalign.scale))
    fractions = rng.uniform(-misalign.shift, misalign.shift, grid.ndim)
    axis = rng.normal(size=3) if grid.ndim == 3 else np.array([0.0, 0.0, 1.0])
    rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    directions = grid.affine[:-1, :-1] / grid.spacing
    return about(
        grid.center,
        factor * rotation[: grid.ndim, : grid.ndim],
        directions @ (fractions * grid.extent),
    )


def about(center: np.ndarray, linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the homogeneous map p -> linear (p - center) + center + shift."""
    matrix = np.eye(len(center) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = center + shift - linear @ center
    return matrix


def misalign_image(image: Image, matrix: np.ndarray) -> Image:
    """Move an image's content by a world map, on its own grid; what enters is the median of its border."""
    background = border_median(image.data)
    background = background.reshape(-1, *[1] * image.grid.ndim)
    moved = resample(image.data - background, image.grid, image.grid, transform=np.linalg.inv(matrix))
    return Image(moved + background, image.grid, image.name)


def misalign_labels(labels: np.ndarray, grid: Grid, matrix: np.ndarray) -> np.ndarray:
    """Move a label map (*grid.shape) by a world map, on its own grid; 0 enters, nearest neighbour."""
    data = torch.from_numpy(labels.astype(np.float32))[None]
    moved = resample(data, grid, grid, transform=np.linalg.inv(matrix), mode="nearest")
    return moved[0].numpy().astype(labels.dtype)


def misalign_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Move world points (N, ndim) by a world map."""
    return apply_affine(matrix, torch.from_numpy(np.asarray(points, dtype=np.float64))).numpy()


def border_median(data: Tensor) -> Tensor:
    """Return (C,) the median over the outer faces of (C, *spatial), slices of a thick stack left out."""
    faces = [data.select(axis, end).flatten(1) for axis in (-1, -2) for end in (0, -1)]
    return torch.cat(faces, dim=1).median(dim=1).values


def random_deformation(grid: Grid, amplitude: float, smoothness: float, seed: int) -> Ddf:
    """Draw a smooth diffeomorphism on `grid` as the exponential of a random stationary velocity.

    `amplitude` is the longest velocity and `smoothness` the standard deviation of the Gaussian that makes
    white noise smooth, both in the grid's unit. The longest displacement is at most, and about, the
    amplitude. The field of the opposite velocity, its inverse, has the same seed and -amplitude.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(grid.ndim, *grid.shape))
    sigma = smoothness / grid.spacing
    world = np.stack([gaussian_filter(component, sigma, mode="reflect", truncate=3) for component in noise])
    world *= amplitude / np.linalg.norm(world, axis=0).max()
    linear = np.linalg.inv(grid.affine[:-1, :-1])
    voxel = torch.from_numpy(np.einsum("ij,j...->i...", linear, world)).float()
    return voxel_to_ddf(exponentiate(voxel, steps=7), grid, grid)
