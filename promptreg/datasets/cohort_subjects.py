"""The subjects of the cohort: the template's abdomen, differing in shape, pose, size, contrast and noise.

In the plane the motion is planar, so that each point of an image lies in the same plane of the template and
truth is exact there as well as in the volumes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from promptreg.datasets.anatomy import Template, abdomen
from promptreg.datasets.known_motion import random_deformation
from promptreg.datasets.phantoms import (
    HOME_CELL_MM,
    Subject,
    Variation,
    home_grid,
    labels_at,
    make_subject,
    pose,
    render,
    scanner_grid,
    subject_landmarks,
    template_landmarks,
)
from promptreg.geometry import default_affine
from promptreg.seeds import derive_seed
from promptreg.types import Ddf, Grid, Image

SHAPE_MM, SMOOTHNESS_MM = 20.0, 26.0
TURN_DEG, TILT_DEG = 8.0, 3.0
SIZE = 0.08
SHIFT_MM, BREATH_MM = 10.0, 15.0
"""Largest values; turn and tilt are about the patient's axis and about the others, size is a share."""

PLANE = scanner_grid((1, 96, 96), (1.0, 3.5, 3.5))
VOLUME = scanner_grid((24, 48, 48), (10.0, 7.0, 7.0))
PLANE_MM = -2.0
"""Height of the plane in the template: it shows all organs that have labels."""

LANDMARKS_PER_LABEL = 4


@dataclass(frozen=True, eq=False)
class Built:
    """An image with its labels (*grid.shape) int32 and its landmarks (N, ndim) world."""

    image: Image
    labels: np.ndarray
    landmarks: np.ndarray


def volumetric(name: str) -> Built:
    """Make the volume of a subject."""
    template = abdomen()
    subject = make_subject(template, variation(name, tilt_deg=TILT_DEG, breath_mm=BREATH_MM), VOLUME)
    image, labels = render(subject, VOLUME, name=name)
    points = template_landmarks(template, per_label=LANDMARKS_PER_LABEL, seed=0)
    return Built(image, labels, subject_landmarks(subject, points))


def planar(name: str) -> Built:
    """Make the planar image of a subject."""
    template = abdomen()
    subject = _planar_subject(template, variation(name))
    image, labels = render(subject, PLANE, name=name)
    grid = Grid(PLANE.shape[1:], PLANE.affine[np.ix_((0, 1, 3), (1, 2, 3))])
    points = subject_landmarks(subject, _plane_landmarks(template))[:, :2]
    return Built(Image(image.data[:, 0], grid, name), labels[0], points)


def variation(name: str, *, tilt_deg: float = 0.0, breath_mm: float = 0.0) -> Variation:
    """Draw how a subject differs from the template, out of the name alone."""
    seed = derive_seed("cohort", name)
    lot = np.random.default_rng([seed, 2]).uniform(-1, 1, 8)
    return Variation(
        seed=seed,
        shape_mm=SHAPE_MM,
        smoothness_mm=SMOOTHNESS_MM,
        turn_deg=(tilt_deg * lot[0], tilt_deg * lot[1], TURN_DEG * lot[2]),
        size=float((1 + SIZE) ** lot[3]),
        shift_mm=(SHIFT_MM * lot[4], SHIFT_MM * lot[5], 0.0),
        breath_mm=breath_mm * abs(lot[6]),
    )


def _planar_subject(template: Template, one: Variation) -> Subject:
    """Draw a subject whose shape moves nothing out of the plane."""
    home = home_grid(template)
    flat = Grid(home.shape[1:], default_affine(2, (HOME_CELL_MM, HOME_CELL_MM)))
    bend = random_deformation(flat, one.shape_mm, one.smoothness_mm, one.seed).displacement
    lifted = torch.cat([bend, torch.full_like(bend[:1], PLANE_MM)])
    slab = scanner_grid((3, flat.shape[0], flat.shape[1]), (HOME_CELL_MM,) * 3)
    return Subject(template, Ddf(lifted[:, None].expand(-1, 3, -1, -1).clone(), slab), pose(one, PLANE), one)


def _plane_landmarks(template: Template) -> np.ndarray:
    """Draw landmarks (N, 3) of the plane inside the annotated organs, as many in each."""
    x, y, _ = template.box_mm
    points = np.random.default_rng(0).uniform((-x, -y, PLANE_MM), (x, y, PLANE_MM), (20000, 3))
    labels = labels_at(template, points.astype(np.float32))
    return np.concatenate(
        [points[labels == one][:LANDMARKS_PER_LABEL] for one in sorted(template.label_names)]
    )
