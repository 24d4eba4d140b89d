"""Smooth random colours, as an array for published predictors and as an image for ours."""

from __future__ import annotations

import numpy as np
import torch

from promptreg.geometry import default_affine
from promptreg.types import Grid, Image


def picture(shape, *, seed=0):
    """Smooth random 8-bit colours (Y, X, 3)."""
    generator = np.random.default_rng(seed)
    coarse = torch.from_numpy(generator.uniform(0, 255, (1, 3, 9, 9)))
    smooth = torch.nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 255)
    return smooth[0].permute(1, 2, 0).round().to(torch.uint8).numpy()


def as_image(pixels):
    grid = Grid(pixels.shape[:2], default_affine(2), "px")
    return Image(torch.from_numpy(pixels).permute(2, 0, 1).float(), grid, "picture")
