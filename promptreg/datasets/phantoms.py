"""Subjects of an anatomical template, and volumes of them, with labels and landmarks that are exact.

A subject is the template under a known smooth diffeomorphism and a known similarity map. Images and labels
are evaluated at voxel centres from the template's formulas, so nothing is interpolated and truth holds at
any resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from promptreg.datasets.anatomy import Organ, Template
from promptreg.datasets.known_motion import about, random_deformation
from promptreg.geometry import (
    apply_affine,
    default_affine,
    inverse_transform_points,
    transform_points,
    world_coordinates,
    world_to_index,
)
from promptreg.types import Ddf, Grid, Image

HOME_CELL_MM = 6.0
BOUNDARY_MM = 3.0


@dataclass(frozen=True)
class Variation:
    """How a subject differs from its template.

    Attributes:
        shape_mm: longest displacement of the diffeomorphism; `smoothness_mm` its smoothness.
        turn_deg: rotation vector of the pose, degrees about x, y, z.
        size: scaling factor of the pose.
        shift_mm: where the subject's middle lies from the middle of the grid.
        breath_mm: how far the diaphragm moves down.
        seed: draws the diffeomorphism, the contrast, the bias field and the noise.
    """

    seed: int
    shape_mm: float = 10.0
    smoothness_mm: float = 35.0
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: float = 1.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    breath_mm: float = 0.0
    noise: float = 0.02


@dataclass(frozen=True, eq=False)
class Subject:
    """A template, the field from the subject's home frame to the template's, and home to world."""

    template: Template
    to_template: Ddf
    to_world: np.ndarray
    variation: Variation


def make_subject(template: Template, variation: Variation, grid: Grid) -> Subject:
    """Draw a subject and lay it in the world, near the middle of `grid`."""
    home = home_grid(template)
    field = random_deformation(home, variation.shape_mm, variation.smoothness_mm, variation.seed)
    displacement = field.displacement.clone()
    displacement[2] += variation.breath_mm * _breath(home)
    return Subject(template, Ddf(displacement, home), pose(variation, grid), variation)


def home_grid(template: Template) -> Grid:
    """Return a coarse grid of the home frame, somewhat larger than the template."""
    x, y, z = (int(np.ceil(2.4 * half / HOME_CELL_MM)) for half in template.box_mm)
    return scanner_grid((z, y, x), (HOME_CELL_MM,) * 3)


def pose(variation: Variation, grid: Grid) -> np.ndarray:
    """Return the homogeneous map (4, 4) from the home frame to the world, near the middle of `grid`."""
    rotation = Rotation.from_rotvec(variation.turn_deg, degrees=True).as_matrix()
    return about(np.zeros(3), variation.size * rotation, grid.center + np.array(variation.shift_mm))


def scanner_grid(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    *,
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    tilt_deg: float = 0.0,
) -> Grid:
    """Return a grid of `shape` cells and `spacing` mm (z, y, x) about a world point, tilted about x."""
    affine = default_affine(3, spacing)
    affine[:-1, :-1] = Rotation.from_euler("x", tilt_deg, degrees=True).as_matrix() @ affine[:-1, :-1]
    affine[:-1, -1] = np.array(center) - affine[:-1, :-1] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def _breath(home: Grid) -> torch.Tensor:
    """Return (*home.shape) a smooth weight, 1 about the diaphragm and 0 at the body wall and the apex."""
    x, y, z = world_coordinates(home).unbind(-1)
    return torch.exp(-(((z + 75) / 75) ** 2) - (x / 110) ** 4 - (y / 85) ** 4)


def render(subject: Subject, grid: Grid, *, name: str = "") -> tuple[Image, np.ndarray]:
    """Return the subject's image (1, Z, Y, X) on `grid`, and its labels (Z, Y, X) int32 at voxel centres."""
    template, variation = subject.template, subject.variation
    rng = np.random.default_rng([variation.seed, 1])
    points = _template_points(subject, grid)
    texture = waves(points, n_waves=40, shortest_mm=12, longest_mm=60, seed=7)
    values = np.zeros(len(points), dtype=np.float32)
    labels = np.zeros(len(points), dtype=np.int32)
    for organ, distance in _distances(template, points):
        level = organ.intensity * rng.uniform(0.92, 1.08) + organ.texture * texture
        share = np.clip(0.5 - distance / BOUNDARY_MM, 0, 1)
        values += share * (level - values)
        labels[distance < 0] = organ.label
    noise = rng.normal(0, variation.noise, len(values))
    data = template.offset + template.scale * (_received(values, template, grid, rng) + noise)
    return Image(torch.from_numpy(data.reshape(1, *grid.shape)).float(), grid, name), labels.reshape(
        grid.shape
    )


def _received(values: np.ndarray, template: Template, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Apply what differs between two MR acquisitions: the contrast curve and the receive field."""
    if not template.bias:
        return values
    points = world_coordinates(grid).reshape(-1, 3).numpy() - np.float32(grid.center)
    field = waves(points, n_waves=4, shortest_mm=250, longest_mm=500, seed=int(rng.integers(2**31)))
    return np.clip(values, 0, None) ** rng.uniform(0.85, 1.18) * np.exp(template.bias * field)


def labels_at(template: Template, points: np.ndarray) -> np.ndarray:
    """Return the labels (N,) int32 at points (N, 3) of the template's home frame."""
    labels = np.zeros(len(points), dtype=np.int32)
    for organ, distance in _distances(template, points):
        labels[distance < 0] = organ.label
    return labels


def template_landmarks(template: Template, *, per_label: int, seed: int) -> np.ndarray:
    """Draw landmarks (N, 3) inside the annotated organs, `per_label` in each, in the template's frame."""
    rng = np.random.default_rng(seed)
    inner = 0.8 * np.array(template.box_mm)
    candidates = rng.uniform(-inner, inner, (20000, 3)).astype(np.float32)
    labels = labels_at(template, candidates)
    chosen = [candidates[labels == label][:per_label] for label in sorted(template.label_names)]
    return np.concatenate(chosen)


def subject_landmarks(subject: Subject, points: np.ndarray) -> np.ndarray:
    """Carry template points (N, 3) to the subject's world, (N, 3) mm."""
    home = inverse_transform_points(
        subject.to_template, torch.from_numpy(points).double(), iterations=200, tolerance=1e-6
    )
    return apply_affine(subject.to_world, home).numpy()


def in_view(points: np.ndarray, grid: Grid) -> np.ndarray:
    """Return (N,) bool: which world points lie in the field of view of `grid`."""
    index = world_to_index(grid, torch.from_numpy(points)).numpy()
    return np.all((index >= 0) & (index <= np.asarray(grid.shape) - 1), axis=1)


def _template_points(subject: Subject, grid: Grid) -> np.ndarray:
    """Return the template points (N, 3) float32 of the cells of `grid`."""
    home = apply_affine(np.linalg.inv(subject.to_world), world_coordinates(grid).double().reshape(-1, 3))
    return transform_points(subject.to_template, home).float().numpy()


def _distances(template: Template, points: np.ndarray) -> Iterator[tuple[Organ, np.ndarray]]:
    """Yield each organ with the signed distances (N,) to it, its surface uneven by a few millimetres."""
    rough = 1.5 * waves(points, n_waves=6, shortest_mm=35, longest_mm=80, seed=3)
    for organ in template.organs:
        yield organ, organ.solid(points) + rough


def waves(
    points: np.ndarray, *, n_waves: int, shortest_mm: float, longest_mm: float, seed: int
) -> np.ndarray:
    """Return a smooth random function (N,) of points (N, 3), about unit variance: a sum of plane waves."""
    rng = np.random.default_rng([seed, n_waves])
    directions = rng.normal(size=(n_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm), n_waves))
    phases = rng.uniform(0, 2 * np.pi, n_waves)
    total = np.zeros(len(points), dtype=np.float32)
    numbers = (2 * np.pi * directions / lengths[:, None]).astype(np.float32)
    for number, phase in zip(numbers, phases.astype(np.float32), strict=True):
        total += np.cos(points @ number + phase)
    return total * np.float32(np.sqrt(2 / n_waves))
