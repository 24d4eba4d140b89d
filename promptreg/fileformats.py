"""Decode image files, one function per family of formats, into channel-first arrays on a grid.

Medical formats go through SimpleITK and keep its world (LPS, mm). Pictures and numpy files state no
world: x is the column, y the row(, z the slice), in pixels. Orientation tags of cameras (EXIF) are
ignored: points and masks refer to the rows and columns as they are stored.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import SimpleITK

from promptreg.geometry import default_affine
from promptreg.niftiheader import check_nifti
from promptreg.types import Grid

MEDICAL = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
NUMPY = (".npy", ".npy.gz", ".npz")
MOST_CHANNELS = 4
UNKNOWN_TO_ITK = {"LA": "L", "CMYK": "RGB"}
SAMPLES_PER_PIXEL = 277


@dataclass(frozen=True, eq=False)
class Raster:
    """What a file holds: `values` (C, *grid.shape) in the file's own number type, on `grid`."""

    values: np.ndarray
    grid: Grid


def suffix(path: Path) -> str:
    """Return the lower-case ending of a file name that names its format, such as ".png" or ".nii.gz"."""
    name = path.name.lower()
    return next((s for s in (".nii.gz", ".npy.gz") if name.endswith(s)), path.suffix.lower())


def decode(path: Path, *, palette_index: bool = False) -> Raster:
    """Decode any supported file; `palette_index` reads a palette picture as its indices, not its colours.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: unknown format, unreadable or incomplete file, or geometry that no image can have.
    """
    if not path.is_file():
        msg = f"{path}: no such file"
        raise FileNotFoundError(msg)
    kind = suffix(path)
    if kind in MEDICAL:
        raster = _decode_medical(path)
    elif kind in PICTURES:
        raster = _decode_picture(path, palette_index)
    elif kind in NUMPY:
        raster = _decode_numpy(path)
    else:
        msg = f"{path}: unknown image format '{kind}'; known are {' '.join((*MEDICAL, *PICTURES, *NUMPY))}"
        raise ValueError(msg)
    return _without_single_slice(raster, path)


def read_sitk(path: Path) -> SimpleITK.Image:
    """Read a file with SimpleITK; ValueError with the heart of its message."""
    try:
        return SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        text = str(error).rpartition("ERROR:")[2].replace(str(path), path.name)
        reason = re.sub(r"\s+", " ", re.sub(r"\(0x[0-9a-f]+\)", "", text)).strip()
        msg = f"{path}: cannot be read: {reason[:200]}"
        raise ValueError(msg) from None


def _decode_medical(path: Path) -> Raster:
    if suffix(path) in (".nii", ".nii.gz"):
        check_nifti(path)
    image = read_sitk(path)
    if "complex" in image.GetPixelIDTypeAsString():
        msg = f"{path}: pixels are complex numbers; write their magnitude to a file of its own"
        raise ValueError(msg)
    values = SimpleITK.GetArrayFromImage(image)
    ndim, n_components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    affine = _world_affine(image)
    if n_components > 1:
        values = np.moveaxis(values, -1, 0)
    elif ndim == 4:
        values, ndim, affine = (
            _volumes_as_channels(values, path),
            3,
            affine[np.ix_([0, 1, 2, 4], [1, 2, 3, 4])],
        )
    else:
        values = values[None]
    if ndim > 3:
        msg = f"{path}: has {ndim} axes and {n_components} values a pixel; expected a 2D or 3D image"
        raise ValueError(msg)
    return Raster(values, _checked(Grid(values.shape[1:], affine), path))


def _world_affine(image: SimpleITK.Image) -> np.ndarray:
    """Return the homogeneous map from array index, (z, )y, x, to SimpleITK's physical point x, y(, z)."""
    ndim = image.GetDimension()
    affine = np.eye(ndim + 1)
    directions = np.reshape(image.GetDirection(), (ndim, ndim)) * np.asarray(image.GetSpacing())
    affine[:-1, :-1] = directions[:, ::-1]
    affine[:-1, -1] = image.GetOrigin()
    return affine


def _volumes_as_channels(values: np.ndarray, path: Path) -> np.ndarray:
    if len(values) > MOST_CHANNELS:
        msg = (
            f"{path}: holds {len(values)} volumes (4D); up to {MOST_CHANNELS} are read as channels. "
            "Write the volume to be registered to a file of its own"
        )
        raise ValueError(msg)
    return values


def _decode_picture(path: Path, palette_index: bool) -> Raster:
    with _opened_picture(path) as picture:
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        # SimpleITK adds an opaque alpha to TIFF files that hold their colours plane by plane
        has_alpha = has_alpha or getattr(picture, "tag_v2", {}).get(SAMPLES_PER_PIXEL) == 3
        if palette_index and picture.mode == "P":
            values = np.asarray(picture)[None]
        elif picture.mode in UNKNOWN_TO_ITK:
            values = np.atleast_3d(np.asarray(picture.convert(UNKNOWN_TO_ITK[picture.mode])))
            values = np.moveaxis(values, -1, 0)
        else:
            values = _picture_values(path)
            values = values[:-1] if has_alpha and len(values) in (2, 4) else values
    return Raster(values, Grid(values.shape[1:], default_affine(2), "px"))


def _picture_values(path: Path) -> np.ndarray:
    """Read a picture with SimpleITK, which keeps 16 bits of colour; (C, Y, X)."""
    image = read_sitk(path)
    if image.GetDimension() != 2:
        msg = f"{path}: holds {image.GetSize()[2]} pages; expected one (write a stack as NIfTI or .npy)"
        raise ValueError(msg)
    values = SimpleITK.GetArrayFromImage(image)
    return values[None] if image.GetNumberOfComponentsPerPixel() == 1 else np.moveaxis(values, -1, 0)


@contextmanager
def _opened_picture(path: Path) -> Iterator[PIL.Image.Image]:
    try:
        with PIL.Image.open(path) as picture:
            yield picture
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        msg = f"{path}: cannot be read as a picture: {error}"
        raise ValueError(msg) from None


def _decode_numpy(path: Path) -> Raster:
    values = load_array(path)
    if values.ndim > 2 and values.shape[-1] <= MOST_CHANNELS < min(values.shape[-3:-1]):
        values = np.moveaxis(values, -1, 0)
    else:
        values = values[None]
    ndim = values.ndim - 1
    if ndim not in (2, 3):
        msg = f"{path}: array of shape {values.shape[1:]}; expected (y, x) or (z, y, x), channels last if any"
        raise ValueError(msg)
    return Raster(values, Grid(values.shape[1:], default_affine(ndim), "px"))


def load_array(path: Path) -> np.ndarray:
    """Load the one array of a .npy, .npy.gz or .npz file; ValueError if damaged, not numeric, or not one."""
    try:
        if suffix(path) == ".npy.gz":
            with gzip.open(path) as stream:
                loaded = np.lib.format.read_array(stream, allow_pickle=False)
        else:
            loaded = np.load(path, allow_pickle=False)
        arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"array": loaded}
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        msg = f"{path}: not a numpy file, or a damaged one: {error}"
        raise ValueError(msg) from None
    if len(arrays) != 1:
        msg = f"{path}: holds {len(arrays)} arrays ({', '.join(arrays)}); expected exactly one"
        raise ValueError(msg)
    (values,) = arrays.values()
    if values.dtype.kind not in "biuf":
        msg = f"{path}: array of type {values.dtype}; expected real numbers"
        raise ValueError(msg)
    return values


def _checked(grid: Grid, path: Path) -> Grid:
    """Refuse spacings and directions that no image can have."""
    linear, spacing = grid.affine[:-1, :-1], grid.spacing
    if not np.isfinite(grid.affine).all() or (spacing <= 0).any():
        msg = f"{path}: spacing {spacing.tolist()} must be > 0, and spacing and origin finite"
        raise ValueError(msg)
    if abs(np.linalg.det(linear / spacing)) < 1e-3:
        msg = f"{path}: directions {np.round(linear / spacing, 4).tolist()} are singular; repair the header"
        raise ValueError(msg)
    return grid


def _without_single_slice(raster: Raster, path: Path) -> Raster:
    """Turn a volume of one slice into a 2D image; a slice that is not axial gets a frame of its own plane."""
    grid = raster.grid
    single = [axis for axis, n in enumerate(grid.shape) if n == 1]
    if not single:
        return raster
    if grid.ndim != 3 or len(single) > 1:
        msg = f"{path}: {grid.shape} cells; an image needs at least two along two of its axes"
        raise ValueError(msg)
    kept = [axis for axis in range(3) if axis not in single]
    affine = grid.affine[np.ix_([0, 1, 3], [*kept, 3])]
    if not np.allclose(np.linalg.norm(affine[:-1, :-1], axis=0), grid.spacing[kept], rtol=1e-4):
        affine = default_affine(2, grid.spacing[kept].tolist())
    shape = tuple(grid.shape[axis] for axis in kept)
    return Raster(raster.values.squeeze(single[0] + 1), Grid(shape, affine, grid.unit))
