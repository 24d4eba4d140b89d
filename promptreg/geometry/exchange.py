"""Exchange with other tools: grids, affine maps and displacement fields in their own conventions.

| form       | world  | content                             | array axes | components |
|------------|--------|-------------------------------------|------------|------------|
| canonical  | LPS mm | displacement                        | (z,) y, x  | x, y(, z)  |
| ITK        | LPS mm | displacement                        | (z,) y, x  | x, y(, z)  |
| NiftyReg   | RAS mm | position (def), displacement (disp) | x, y, z    | x, y(, z)  |
| Learn2Reg  | voxels | moving index minus fixed index      | x, y(, z)  | i, j(, k)  |
| voxel form | voxels | index minus index, on one grid      | (z,) y, x  | (z,) y, x  |

All of them pull: the field lives on the fixed grid and says where to read the moving image.
The i, j, k of NIfTI, ITK and Learn2Reg are our array axes in reverse order.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from promptreg.atomic import replacing
from promptreg.geometry.grids import cell_indices, index_to_world, world_to_index
from promptreg.types import Ddf, Grid

_NIFTYREG_CONTENTS = {0: "positions", 1: "displacements"}


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
    array = _on_grid(data, grid)
    vector = array.ndim == grid.ndim + 1
    image = sitk.GetImageFromArray(np.moveaxis(array, 0, -1) if vector else array, isVector=vector)
    image.SetSpacing([float(step) for step in grid.spacing[::-1]])
    image.SetDirection((grid.affine[:-1, :-1] / grid.spacing)[:, ::-1].ravel().tolist())
    image.SetOrigin(grid.affine[:-1, -1].tolist())
    return image


def ddf_to_itk(ddf: Ddf) -> sitk.Image:
    """Return the vector image that `sitk.DisplacementFieldTransform` takes (LPS mm, float64)."""
    return sitk_from_array(ddf.displacement.double(), ddf.grid)


def ddf_from_itk(field: sitk.Image, *, unit: str = "mm") -> Ddf:
    """Return the canonical field of an ITK displacement field image; ValueError if it is not one."""
    ndim = field.GetDimension()
    if field.GetNumberOfComponentsPerPixel() != ndim:
        msg = (
            f"an ITK displacement field in {ndim}D has {ndim} components a pixel, "
            f"this image has {field.GetNumberOfComponentsPerPixel()}"
        )
        raise ValueError(msg)
    vectors = np.moveaxis(sitk.GetArrayFromImage(field), -1, 0).astype(np.float32)
    return Ddf(torch.from_numpy(vectors), grid_from_sitk(field, unit=unit))


def nifti_affine(grid: Grid) -> np.ndarray:
    """Return the (4, 4) map from NIfTI index (i, j, k) to RAS world; a 2D grid lies in the plane z = 0."""
    ndim = grid.ndim
    affine = np.eye(4)
    affine[:ndim, :ndim] = grid.affine[:-1, :-1][:, ::-1]
    affine[:ndim, 3] = grid.affine[:-1, -1]
    return _RAS @ affine


def nifti_from_array(data: Tensor | np.ndarray, grid: Grid) -> nib.Nifti1Image:
    """Return a NIfTI image of scalar `data` (*grid.shape); ValueError when the shapes differ."""
    return nib.Nifti1Image(_on_grid(data, grid, scalar=True).T, nifti_affine(grid))


def grid_from_nifti(image: nib.Nifti1Image, ndim: int, *, unit: str = "mm") -> Grid:
    """Return the grid of the first `ndim` (2 or 3) axes of a NIfTI image, axes reversed, in LPS."""
    lps = _RAS @ np.asarray(image.affine, float)
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = lps[:ndim, :ndim][:, ::-1]
    affine[:-1, -1] = lps[:ndim, 3]
    return Grid(tuple(int(n) for n in reversed(image.shape[:ndim])), affine, unit)


def affine_to_niftyreg(matrix: np.ndarray) -> np.ndarray:
    """Turn a homogeneous LPS world map, 2D or 3D, fixed to moving, into NiftyReg's (4, 4) in RAS."""
    ndim = len(matrix) - 1
    lps = np.eye(4)
    lps[:ndim, :ndim] = matrix[:-1, :-1]
    lps[:ndim, 3] = matrix[:-1, -1]
    return _RAS @ lps @ _RAS


def affine_from_niftyreg(matrix: np.ndarray, ndim: int) -> np.ndarray:
    """Turn NiftyReg's (4, 4) RAS map into the (ndim + 1, ndim + 1) LPS world map, fixed to moving."""
    keep = [*range(ndim), 3]
    return (_RAS @ matrix @ _RAS)[np.ix_(keep, keep)]


def ddf_to_niftyreg_disp(ddf: Ddf) -> nib.Nifti1Image:
    """Return NiftyReg's displacement field, RAS mm, (X, Y, Z, 1, 3) or (X, Y, 1, 1, 2), as of `-disp`."""
    return _niftyreg_field(ddf.displacement.double(), ddf.grid, content=1)


def ddf_to_niftyreg_def(ddf: Ddf) -> nib.Nifti1Image:
    """Return NiftyReg's deformation field: positions in the moving world, RAS mm, as of `-def`."""
    moved = _cell_worlds(ddf.grid).movedim(-1, 0) + ddf.displacement.double()
    return _niftyreg_field(moved, ddf.grid, content=0)


def ddf_from_niftyreg(field: nib.Nifti1Image, *, unit: str = "mm") -> Ddf:
    """Return the canonical field of a NiftyReg deformation or displacement field, told apart by its header.

    Raises ValueError for any other content, such as a grid of spline control points.
    """
    content = float(field.header["intent_p1"])
    if field.header.get_intent()[0] != "vector" or len(field.shape) != 5 or content not in _NIFTYREG_CONTENTS:
        msg = (
            f"not a dense NiftyReg field: shape {field.shape}, intent {field.header.get_intent()}; "
            "expected 5 axes and a vector intent with parameter 0 or 1; `reg_transform -def` makes one"
        )
        raise ValueError(msg)
    ndim = field.shape[4]
    grid = grid_from_nifti(field, ndim, unit=unit)
    ras = np.asarray(field.dataobj, float)[:, :, :, 0].reshape(*field.shape[:ndim], ndim).T
    vectors = torch.from_numpy(np.ascontiguousarray(ras)) * _signs(ndim)
    if _NIFTYREG_CONTENTS[int(content)] == "positions":
        vectors = vectors - _cell_worlds(grid).movedim(-1, 0)
    return Ddf(vectors.float(), grid)


def ddf_to_learn2reg(ddf: Ddf, moving_grid: Grid) -> np.ndarray:
    """Return Learn2Reg's field (X, Y(, Z), ndim) float32, axes and components in file order i, j(, k).

    The evaluator reads the moving array at (fixed index + field), so the field is the index in the
    moving image minus the index in the fixed one, also where the two grids differ.
    """
    return _index_displacement(ddf, moving_grid).flip(0).float().numpy().T


def ddf_from_learn2reg(field: np.ndarray, fixed_grid: Grid, moving_grid: Grid) -> Ddf:
    """Return the canonical field of a Learn2Reg field (X, Y(, Z), ndim); ValueError if it does not fit."""
    expected = (*reversed(fixed_grid.shape), fixed_grid.ndim)
    if field.shape != expected:
        msg = f"a Learn2Reg field of shape {field.shape} does not fit the fixed image: expected {expected}"
        raise ValueError(msg)
    shift = torch.from_numpy(np.ascontiguousarray(field.T, dtype=float)).flip(0).movedim(0, -1)
    moved = index_to_world(moving_grid, cell_indices(fixed_grid.shape).double() + shift)
    return Ddf((moved - _cell_worlds(fixed_grid)).movedim(-1, 0).float(), fixed_grid)


def ddf_to_voxel(ddf: Ddf, *, then: np.ndarray | None = None) -> Tensor:
    """Return the voxel form (ndim, *shape) on the field's own grid, for `monai.networks.blocks.Warp`.

    It applies to the moving image resampled onto that grid under the homogeneous world map `then`
    (the pre-alignment; identity if absent). Inverse of `voxel_to_ddf` on one grid.
    """
    grid = ddf.grid
    affine = grid.affine if then is None else then @ grid.affine
    return _index_displacement(ddf, Grid(grid.shape, affine, grid.unit)).float()


def write_itk(path: Path, ddf: Ddf) -> None:
    """Write the field as an ITK displacement field image (.nii.gz, .mha, .nrrd), whole or not at all."""
    with replacing(path) as part:
        sitk.WriteImage(ddf_to_itk(ddf), str(part))


def write_nifti(path: Path, image: nib.Nifti1Image) -> None:
    """Write a NIfTI image, such as a NiftyReg field, whole or not at all."""
    with replacing(path) as part:
        nib.save(image, part)


def write_learn2reg(path: Path, ddf: Ddf, moving_grid: Grid) -> None:
    """Write the field as a Learn2Reg `disp_*.nii.gz`, with the fixed image's affine, whole or not at all."""
    write_nifti(path, nib.Nifti1Image(ddf_to_learn2reg(ddf, moving_grid), nifti_affine(ddf.grid)))


def write_niftyreg_affine(path: Path, matrix: np.ndarray) -> None:
    """Write a homogeneous LPS world map, fixed to moving, as NiftyReg's 4 x 4 text, whole or not at all."""
    with replacing(path) as part:
        np.savetxt(part, affine_to_niftyreg(matrix), fmt="%.9g")


def read_niftyreg_affine(path: Path, ndim: int) -> np.ndarray:
    """Read NiftyReg's 4 x 4 text as an (ndim + 1, ndim + 1) LPS world map; ValueError if it is not one."""
    matrix = np.loadtxt(path)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        msg = f"{path}: expected a text file of 4 x 4 finite numbers, found {matrix.tolist()}"
        raise ValueError(msg)
    return affine_from_niftyreg(matrix, ndim)


_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _signs(ndim: int) -> Tensor:
    """Signs (ndim, 1, ...) between LPS and RAS components."""
    return torch.tensor([-1.0, -1.0, 1.0][:ndim], dtype=torch.float64).reshape(ndim, *([1] * ndim))


def _cell_worlds(grid: Grid) -> Tensor:
    """World coordinates of every cell, (*shape, ndim) float64."""
    return index_to_world(grid, cell_indices(grid.shape).double())


def _index_displacement(ddf: Ddf, moving_grid: Grid) -> Tensor:
    """Index in the moving grid minus index in the fixed grid, (ndim, *shape) float64, array order."""
    moved = _cell_worlds(ddf.grid) + ddf.displacement.double().movedim(0, -1)
    return (world_to_index(moving_grid, moved) - cell_indices(ddf.grid.shape).double()).movedim(-1, 0)


def _niftyreg_field(vectors: Tensor, grid: Grid, *, content: int) -> nib.Nifti1Image:
    """NIfTI of LPS vectors (ndim, *shape), marked as NiftyReg marks its own fields."""
    ras = (vectors * _signs(grid.ndim)).float().numpy().T
    shape = (*grid.shape[::-1], 1)[:3]
    image = nib.Nifti1Image(ras.reshape(*shape, 1, grid.ndim), nifti_affine(grid))
    image.header.set_intent("vector", name="NREG_TRANS")
    image.header["intent_p1"] = content
    return image


def _on_grid(data: Tensor | np.ndarray, grid: Grid, *, scalar: bool = False) -> np.ndarray:
    """Return `data` as an array after checking that it lies on `grid`."""
    array = np.asarray(data)
    extra = array.ndim - grid.ndim
    if tuple(array.shape[-grid.ndim :]) != tuple(grid.shape) or extra not in ((0,) if scalar else (0, 1)):
        msg = f"an array of shape {array.shape} does not lie on a grid of shape {tuple(grid.shape)}"
        raise ValueError(msg)
    return array
