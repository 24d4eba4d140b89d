"""Exchange with other tools: grids, affine maps and displacement fields in their own conventions.

| tool           | world   | content                      | axes of array | components |
|----------------|---------|------------------------------|---------------|------------|
| promptreg      | LPS mm  | displacement                 | (z,) y, x     | x, y(, z)  |
| ITK            | LPS mm  | displacement                 | (z,) y, x     | x, y(, z)  |
| NiftyReg       | RAS mm  | position or displacement     | x, y, z       | x, y(, z)  |
| Learn2Reg      | voxels  | moving index - fixed index   | x, y, z       | i, j, k    |
| voxel form     | voxels  | index - index, one grid      | (z,) y, x     | (z,) y, x  |

All of them pull: a field lives on the fixed grid and says where to read the moving image.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from promptreg.types import Grid


def grid_from_sitk(image: sitk.Image, *, unit: str = "mm") -> Grid:
    """Return the grid of a SimpleITK image; its axes are reversed, as in `sitk.GetArrayFromImage`."""
    ndim = image.GetDimension()
    affine = np.eye(ndim + 1)
    directions = np.reshape(image.GetDirection(), (ndim, ndim)) * np.asarray(image.GetSpacing())
    affine[:-1, :-1] = directions[:, ::-1]
    affine[:-1, -1] = image.GetOrigin()
    return Grid(tuple(reversed(image.GetSize())), affine, unit)


def sitk_from_array(data: Tensor | np.ndarray, grid: Grid) -> sitk.Image:
    """Return a SimpleITK image of `data` (*grid.shape), or of C components for (C, *grid.shape).

    Raises ValueError when the shapes differ.
    """
    array = np.asarray(data)
    if tuple(array.shape[-grid.ndim :]) != tuple(grid.shape) or array.ndim - grid.ndim not in (0, 1):
        msg = f"an array of shape {array.shape} does not lie on a grid of shape {grid.shape}"
        raise ValueError(msg)
    vector = array.ndim == grid.ndim + 1
    image = sitk.GetImageFromArray(np.moveaxis(array, 0, -1) if vector else array, isVector=vector)
    image.SetSpacing([float(step) for step in grid.spacing[::-1]])
    image.SetDirection((grid.affine[:-1, :-1] / grid.spacing)[:, ::-1].ravel().tolist())
    image.SetOrigin(grid.affine[:-1, -1].tolist())
    return image
