"""Read the slices of a DICOM series into a volume, ordered by where they lie in the patient.

Names and instance numbers of published series are not always in that order, so the order of the files is
returned beside the volume: annotations that come slice by slice must follow it.
"""

from __future__ import annotations

import locale
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK

from promptreg.fileformats import Raster
from promptreg.types import Grid

UNEVEN = 0.1
"""Largest deviation of a slice from its place in an even series, as a fraction of their distance."""


def read_series(files: Sequence[Path]) -> tuple[Raster, list[int]]:
    """Return the volume (1, Z, Y, X) of single-slice files in LPS mm, and the place of each slice in `files`.

    Raises:
        ValueError: fewer than two slices, a file that is no image, slices of several geometries, two at one
            place, or a gap; names the file.
    """
    if len(files) < 2:
        msg = f"{files[0] if files else 'a DICOM series'}: {len(files)} slices; a volume needs two or more"
        raise ValueError(msg)
    slices = [_read_slice(file) for file in files]
    directions = np.reshape(slices[0].GetDirection(), (3, 3))
    _check_alike(files, slices)
    origins = np.array([one.GetOrigin() for one in slices])
    heights = origins @ directions[:, 2]
    order = np.argsort(heights, kind="stable")
    step = _step(heights[order], [files[place] for place in order])
    affine = np.eye(4)
    columns, rows, _ = slices[0].GetSpacing()
    affine[:3, :3] = (directions * (columns, rows, step))[:, ::-1]
    affine[:3, 3] = origins[order[0]]
    values = np.concatenate([SimpleITK.GetArrayFromImage(slices[place]) for place in order])
    return Raster(values[None], Grid(values.shape, affine)), order.tolist()


def _read_slice(file: Path) -> SimpleITK.Image:
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        with _locale_kept():
            image = reader.Execute()
    except RuntimeError:
        msg = f"{file}: cannot be read as DICOM; copy or download the file again"
        raise ValueError(msg) from None
    if image.GetDimension() != 3 or image.GetSize()[2] != 1 or image.GetNumberOfComponentsPerPixel() != 1:
        msg = f"{file}: size {image.GetSize()}; expected one grey slice a file"
        raise ValueError(msg)
    return image


@contextmanager
def _locale_kept() -> Iterator[None]:
    """GDCM leaves the process in the locale "C", in which Python reads and writes text as ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def _check_alike(files: Sequence[Path], slices: Sequence[SimpleITK.Image]) -> None:
    first = slices[0]
    for file, one in zip(files, slices, strict=True):
        turned = np.abs(np.subtract(one.GetDirection(), first.GetDirection())).max() > 1e-3
        scaled = not np.allclose(one.GetSpacing()[:2], first.GetSpacing()[:2], rtol=1e-3)
        if one.GetSize() != first.GetSize() or turned or scaled:
            msg = (
                f"{file}: size {one.GetSize()[:2]}, spacing {one.GetSpacing()[:2]}; {files[0].name} has "
                f"{first.GetSize()[:2]}, {first.GetSpacing()[:2]}; is it of another series?"
            )
            raise ValueError(msg)


def _step(heights: np.ndarray, files: Sequence[Path]) -> float:
    """Return the distance of neighbouring slices from their sorted heights in mm."""
    gaps = np.diff(heights)
    step = float(np.median(gaps))
    worst = int(np.abs(gaps - step).argmax())
    if gaps.min() < 1e-3 or abs(gaps[worst] - step) > UNEVEN * step:
        worst = int(gaps.argmin()) if gaps.min() < 1e-3 else worst
        msg = (
            f"{files[worst + 1]}: lies {gaps[worst]:.2f} mm from {files[worst].name}, the other slices "
            f"{step:.2f} mm apart; is a slice missing, or there twice?"
        )
        raise ValueError(msg)
    return step
