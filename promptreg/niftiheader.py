"""Refuse NIfTI files that SimpleITK reads without a word: missing voxels, spacings of zero or below.

SimpleITK fills the missing part of a truncated file with whatever was in memory, and replaces a spacing of
zero by one.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np


def check_nifti(path: Path) -> None:
    """Raise ValueError if the header states an impossible spacing, or the file holds too few bytes."""
    header = _nifti_header(path)
    shape = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
    spacing = header["pixdim"][1 : 1 + min(len(shape), 3)]
    bad = [float(s) for s, n in zip(spacing, shape, strict=False) if n > 1 and not (np.isfinite(s) and s > 0)]
    if bad:
        msg = f"{path}: header states a voxel spacing of {bad[0]:g} (pixdim {spacing.tolist()}); must be > 0"
        raise ValueError(msg)
    n_expected = int(header["vox_offset"]) + int(np.prod(shape, dtype=np.int64)) * int(header["bitpix"]) // 8
    n_found = _n_bytes(path, n_expected)
    if n_found < n_expected:
        msg = f"{path}: truncated: {n_found} of {n_expected} bytes are there; copy or download the file again"
        raise ValueError(msg)


def _nifti_header(path: Path) -> Any:
    try:
        with nibabel.openers.ImageOpener(str(path)) as stream:
            block = stream.read(nibabel.Nifti2Header.sizeof_hdr)
        is_second = 540 in (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big"))
        kind = nibabel.Nifti2Header if is_second else nibabel.Nifti1Header
        header = kind(block[: kind.sizeof_hdr], check=False)
    except (OSError, EOFError, ValueError, zlib.error, nibabel.wrapstruct.WrapStructError) as error:
        msg = f"{path}: not a NIfTI file, or a damaged one: {error}"
        raise ValueError(msg) from None
    if header["magic"].item() not in (b"n+1", b"n+2"):
        msg = f"{path}: not a single-file NIfTI (magic {header['magic'].item()!r}, expected b'n+1' or b'n+2')"
        raise ValueError(msg)
    return header


def _n_bytes(path: Path, n_expected: int) -> int:
    """Return the uncompressed size of a file; a gzip trailer that agrees with `n_expected` is believed."""
    if path.suffix.lower() != ".gz":
        return path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        if int.from_bytes(stream.read(4), "little") == n_expected % 2**32:
            return n_expected
    n_found = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 22):
                n_found += len(block)
    except (OSError, EOFError, zlib.error):
        return min(n_found, n_expected - 1)
    return n_found
