"""ANTs, elastix, greedy and FireANTs: each in an environment of its own, files in, files out.

All of them write a displacement field in the LPS world on the fixed image, affine part included. They start
from the headers, thus from the pre-alignment: none may centre the images on its own. Random draws are
seeded and each runs `threads` threads. Images that the tools cannot read as they are (sheared headers) are
the tools' errors and fail the pair.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from promptreg.baselines.environments import interpreter
from promptreg.baselines.external import run
from promptreg.baselines.handover import FIXED, MOVING, hand_over
from promptreg.config import Baselines
from promptreg.geometry import ddf_from_itk, followed_by
from promptreg.types import Ddf, Pair

FIELD = "field.nii.gz"
MOVED = "moved.nii.gz"
"""The moving image on the fixed grid by the tool's own resampling: what a field must agree with."""


@dataclass(frozen=True)
class ItkTool:
    """A tool that a script of `promptreg/baselines/tools` runs under the tool's own Python."""

    environment: ClassVar[str]

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment, affine and deformation as one canonical field."""
        hand_over(pair, workdir)
        files = {"fixed": FIXED, "moving": MOVING, "field": FIELD, "moved": MOVED}
        job = {**files, "seed": 1, "threads": settings.threads}
        (workdir / "job.json").write_text(json.dumps(job))
        script = Path(__file__).parent / "tools" / f"run_{self.environment}.py"
        run(
            [interpreter(self.environment), script, "job.json"],
            workdir=workdir,
            time_limit_s=settings.time_limit_s,
            threads=settings.threads,
        )
        return canonical(workdir / FIELD, pair, self.environment)


class AntsSyn(ItkTool):
    """ANTs: affine and symmetric normalization by mutual information, the defaults of `SyN`."""

    environment = "ants"


class Elastix(ItkTool):
    """elastix: its default translation, affine and B-spline parameter maps."""

    environment = "elastix"


class Greedy(ItkTool):
    """greedy: affine and diffeomorphic flow by local correlation, as in its tutorial."""

    environment = "greedy"


class FireAnts(ItkTool):
    """FireANTs: affine and greedy diffeomorphic descent by local correlation, as in its first example.

    It runs on an accelerator where there is one. Its licence allows any use but no copy of its code: it is
    called as an installed tool.
    """

    environment = "fireants"


def canonical(path: Path, pair: Pair, tool: str) -> Ddf:
    """Read a tool's displacement field and compose the pre-alignment after it.

    Raises:
        RuntimeError: it is absent, on another grid, or not finite.
    """
    if not path.is_file():
        raise RuntimeError(f"{tool} ended without writing its field, {path.name}")
    field = ddf_from_itk(sitk.ReadImage(path), unit=pair.fixed.grid.unit)
    # ITK's reader of NIfTI turns what is not finite into zeros.
    stored = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    n_bad = int((~np.isfinite(stored)).any(axis=-1).sum())
    if field.grid.shape != pair.fixed.grid.shape:
        raise RuntimeError(
            f"{tool} wrote a field of {field.grid.shape} cells for an image of {pair.fixed.grid.shape}"
        )
    if n_bad:
        raise RuntimeError(
            f"{tool}'s field is not finite at {n_bad} of {field.displacement[0].numel()} cells"
        )
    return followed_by(Ddf(field.displacement, pair.fixed.grid), pair.prealignment)
