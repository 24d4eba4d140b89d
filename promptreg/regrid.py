"""Data of one image on the grid of another."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from promptreg.geometry import antialiased, limited, resample
from promptreg.types import Grid


def brought(data: Tensor, source: Grid, target: Grid, transform: np.ndarray) -> Tensor:
    """Read data (C, *source.shape) on a grid, averaged over its cells where they are larger.

    `transform` is a homogeneous world map, target to source; beyond the source its edge continues.
    """
    step = float(np.exp(np.log(target.spacing).mean()))
    coarse = limited(source, max(1, round(float(source.extent.max()) / step)))
    return resample(antialiased(data, source, coarse), coarse, target, transform=transform, padding="border")
