"""Hand a pair over to a tool as files: one channel, and headers that start at the pre-alignment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.color import rgb2gray
from torch import Tensor

from promptreg.geometry import nifti_from_array, write_nifti
from promptreg.types import Grid, Pair

FIXED, MOVING = "fixed.nii", "moving.nii"


def hand_over(pair: Pair, workdir: Path) -> None:
    """Write `fixed.nii` and `moving.nii`, whose header is moved by the inverse pre-alignment.

    A tool that starts from the headers thus starts from the pre-alignment. Pixels without spacing count as
    millimetres; RGB becomes Rec. 709 luminance, any other number of channels their mean.
    """
    moving = pair.moving.grid
    aligned = Grid(moving.shape, np.linalg.inv(pair.prealignment) @ moving.affine, moving.unit)
    write_nifti(workdir / FIXED, nifti_from_array(one_channel(pair.fixed.data), pair.fixed.grid))
    write_nifti(workdir / MOVING, nifti_from_array(one_channel(pair.moving.data), aligned))


def one_channel(data: Tensor) -> np.ndarray:
    """One channel (*shape) float32 of (C, *shape)."""
    array = data.cpu().float().numpy()
    return rgb2gray(array, channel_axis=0) if len(array) == 3 else array.mean(axis=0)
