"""T2-weighted prostate MR in the folders that the paper's group uses for its PROMIS data.

`scan/<id>_study_<n>.nii.gz` with the gland in `mask/` under the same name. The data are not public.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.pairing import Scan, between, first_of_each, within

STUDY = re.compile(r"(.+)_study_(\d+)\.nii\.gz")
SOURCE = "PROMIS"


class Promis(Folder):
    """Pairs between subjects, onto the first; later studies of a subject onto the subject's first."""

    reader = "promis"
    layout = "a folder `prostate_mri` with scan/<id>_study_0.nii.gz and mask/<id>_study_0.nii.gz"
    names: ClassVar = {1: "prostate gland"}

    def pairs(self) -> list[PairSpec]:
        """List the pairs in the order of subjects' names."""
        scans = list(self._scans)
        listed = [
            *between(first_of_each(scans), group="between subjects", source=SOURCE),
            *within(scans, group="same subject", source=SOURCE),
        ]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the scans."""
        folder = self.below("prostate_mri/scan", "scan")
        return {
            f"{match[1]}_study_{match[2]}": self.relative(file)
            for file in sorted(folder.iterdir())
            if (match := STUDY.fullmatch(file.name))
        }

    @property
    def _scans(self) -> list[Scan]:
        scans = []
        for image, place in self.images.items():
            mask = place.replace("scan/", "mask/")
            labels = mask if (self.root / mask).is_file() else ""
            scans.append(Scan(f"promis-{image.rpartition('_study_')[0]}", image, labels))
        return scans
