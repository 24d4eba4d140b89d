"""Pre-alignment: the translation that every method is given to start from."""

from __future__ import annotations

from typing import Literal

import numpy as np

from promptreg.body import body_mask
from promptreg.geometry import world_coordinates
from promptreg.types import Image


def prealign(moving: Image, fixed: Image, how: Literal["none", "centers", "mass"]) -> np.ndarray:
    """Return the homogeneous world map (ndim + 1, ndim + 1) float64, fixed to moving: a translation.

    "none" trusts the header frame (identity); "centers" lays the middles of the fields of view over
    each other; "mass" the centroids of the bodies, or the middles where either body fills its image.
    Raises ValueError when one image is 2D and the other 3D.
    """
    if moving.grid.ndim != fixed.grid.ndim:
        msg = (
            f"cannot register {moving.name or 'the moving image'} ({moving.grid.ndim}D) to "
            f"{fixed.name or 'the fixed image'} ({fixed.grid.ndim}D): both must have the same dimension"
        )
        raise ValueError(msg)
    matrix = np.eye(fixed.grid.ndim + 1)
    if how == "centers":
        matrix[:-1, -1] = moving.grid.center - fixed.grid.center
    elif how == "mass":
        matrix[:-1, -1] = _mass_shift(moving, fixed)
    return matrix


def _mass_shift(moving: Image, fixed: Image) -> np.ndarray:
    """(ndim,) translation between body centroids, or between grid centres where a body fills its image."""
    bodies = [(image, body_mask(image)) for image in (moving, fixed)]
    if any(bool(body.all()) for _, body in bodies):
        return moving.grid.center - fixed.grid.center
    centroids = [world_coordinates(image.grid)[body.cpu()].double().mean(0).numpy() for image, body in bodies]
    return centroids[0] - centroids[1]
