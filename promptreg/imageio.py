"""Read and write images, label maps and landmarks; every refusal names the file and what to do.

`promptreg.fileformats` decodes the formats, `promptreg.pointfiles` the tables of landmarks; this module
checks what images and label maps hold.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import PIL.Image
import SimpleITK
import torch

from promptreg.atomic import replacing
from promptreg.fileformats import PICTURES, Raster, decode, suffix
from promptreg.geometry import index_to_world, world_to_index
from promptreg.pointfiles import read_landmarks, write_points
from promptreg.types import Grid, Image

__all__ = ["read_image", "read_labels", "read_landmarks", "write_image", "write_labels", "write_points"]

SAME_PLACE_CELLS = 0.25
SAME_COLOUR = 32
FOREGROUND = 127


def read_image(path: str | Path) -> Image:
    """Read an image: NIfTI, MHA/MHD, NRRD, PNG, JPEG, TIFF, BMP, .npy, .npy.gz or .npz.

    Values are kept as they are, as float32 (C, Y, X) or (C, Z, Y, X); alpha is dropped; a volume of one
    slice becomes 2D. Formats without a world get pixel units.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: unreadable, not finite or constant values, or geometry that no image can have.
    """
    path = Path(path)
    raster = decode(path)
    values = raster.values.astype(np.float32)
    n_bad = values.size - int(np.isfinite(values).sum())
    if n_bad:
        msg = f"{path}: {n_bad} of {values.size} pixels are NaN or infinite; put the background value there"
        raise ValueError(msg)
    if values.min() == values.max():
        msg = f"{path}: constant image, every pixel is {values.min():g}; nothing can be registered on it"
        raise ValueError(msg)
    return Image(torch.from_numpy(np.ascontiguousarray(values)), raster.grid, path.name)


def read_labels(path: str | Path, grid: Grid) -> np.ndarray:
    """Read the label map of the image on `grid`; (*grid.shape) int32, 0 is background.

    A colour picture, or a grey one that reaches 255, is a mask (label 1 where above 127, so that the soft
    edge of a screenshot is no label); a palette picture holds its palette indices. A format without a
    world takes the image's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not integers, negative, no label at all, or not the geometry of `grid`.
    """
    path = Path(path)
    raster = decode(path, palette_index=True)
    _check_same_geometry(raster.grid, grid, path)
    values = _as_mask(raster, path) if suffix(path) in PICTURES else raster.values
    if len(values) != 1:
        msg = f"{path}: a label map has one value a pixel, found {len(values)}"
        raise ValueError(msg)
    numbers = values[0].astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers - np.rint(numbers)).max() > 1e-3:
        msg = f"{path}: label values must be integers; was the map resampled with linear interpolation?"
        raise ValueError(msg)
    labels = np.rint(numbers).astype(np.int32)
    if labels.min() < 0 or labels.max() == 0:
        found = "no label, every pixel is 0" if labels.max() <= 0 <= labels.min() else f"label {labels.min()}"
        msg = f"{path}: found {found}; expected 0 for background and positive integers for the regions"
        raise ValueError(msg)
    return labels


def _as_mask(raster: Raster, path: Path) -> np.ndarray:
    values = raster.values
    if len(values) == 1 and values.max() != 255:
        return values
    if int(np.ptp(values.astype(int), axis=0).max()) > SAME_COLOUR:
        msg = f"{path}: colour-coded label map; write the label numbers as grey or palette values"
        raise ValueError(msg)
    return (values.mean(axis=0, keepdims=True) > FOREGROUND).astype(np.int32)


def _check_same_geometry(found: Grid, expected: Grid, path: Path) -> None:
    same = found.shape == expected.shape
    if same and found.unit == "mm":
        corners = torch.tensor(list(itertools.product(*((0.0, n - 1.0) for n in found.shape))))
        shift = world_to_index(expected, index_to_world(found, corners)) - corners
        same = float(shift.abs().max()) <= SAME_PLACE_CELLS
    if not same:
        msg = (
            f"{path}: label map and image must share one grid: the labels have {_describe(found)}, "
            f"the image has {_describe(expected)}; resample the labels onto the image (nearest neighbour)"
        )
        raise ValueError(msg)


def _describe(grid: Grid) -> str:
    spacing, origin = np.round(grid.spacing, 3).tolist(), np.round(grid.affine[:-1, -1], 3).tolist()
    axes = np.round(grid.affine[:-1, :-1] / grid.spacing, 3).tolist()
    return f"shape {grid.shape}, spacing {spacing} {grid.unit}, origin {origin}, axes {axes}"


def write_image(path: str | Path, image: Image) -> None:
    """Write an image to NIfTI, MHA, NRRD (LPS world), .npy or .png (no world), whole or not at all.

    A PNG holds 8 bits: values are rounded and clipped to 0..255.

    Raises:
        ValueError: another format, a sheared grid, which the formats with a world cannot state, or for PNG a
            volume or other than 1, 3 or 4 channels.
    """
    values = image.data.detach().cpu().numpy()
    _write(Path(path), values[0] if len(values) == 1 else np.moveaxis(values, 0, -1), image.grid)


def write_labels(path: str | Path, labels: np.ndarray, grid: Grid) -> None:
    """Write a label map (*grid.shape) of integers, in the formats of `write_image`, whole or not at all.

    Raises:
        ValueError: as `write_image`, or labels that the 8 bits of a PNG cannot hold.
    """
    path, values = Path(path), np.asarray(labels).astype(np.int32)
    if suffix(path) == ".png" and not 0 <= values.min() <= values.max() <= 255:
        msg = (
            f"{path}: PNG holds labels 0 to 255, found {values.min()} to {values.max()}; use .nii.gz or .npy"
        )
        raise ValueError(msg)
    _write(path, values, grid)


def _write(path: Path, values: np.ndarray, grid: Grid) -> None:
    """Write (*grid.shape) or channels-last (*grid.shape, C) values."""
    kind = suffix(path)
    if kind == ".npy":
        with replacing(path) as temporary:
            np.save(temporary, values)
        return
    if kind == ".png":
        _write_png(path, values)
        return
    if kind not in (".nii", ".nii.gz", ".mha", ".nrrd"):
        msg = f"{path}: cannot write '{kind}'; use .nii.gz, .nii, .mha, .nrrd, .npy or .png"
        raise ValueError(msg)
    directions = (grid.affine[:-1, :-1] / grid.spacing)[:, ::-1]
    if not np.allclose(directions.T @ directions, np.eye(grid.ndim), atol=1e-4):
        msg = f"{path}: the grid is sheared, which '{kind}' cannot state; resample onto an orthogonal grid"
        raise ValueError(msg)
    image = SimpleITK.GetImageFromArray(values, isVector=values.ndim > grid.ndim)
    image.SetSpacing(grid.spacing[::-1].tolist())
    image.SetOrigin(grid.affine[:-1, -1].tolist())
    image.SetDirection(directions.ravel().tolist())
    with replacing(path) as temporary:
        SimpleITK.WriteImage(image, str(temporary), useCompression=True)


def _write_png(path: Path, values: np.ndarray) -> None:
    """Write (Y, X), (Y, X, 3) or (Y, X, 4) values as 8-bit PNG."""
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in (3, 4))):
        msg = f"{path}: PNG holds a 2D image of 1, 3 or 4 channels, found shape {values.shape}; use .nii.gz"
        raise ValueError(msg)
    picture = PIL.Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))
    with replacing(path) as temporary:
        picture.save(temporary)
