"""CHAOS T2 in a public repack as NIfTI: `image_<id>.nii.gz` and `label_<id>.nii.gz`, at any depth.

Labels are 1 liver, 2 right kidney, 3 left kidney, 4 spleen, stored as float64. Subjects are those of the
DICOM release under the same numbers.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.chaos import NAMES, SOURCE
from promptreg.datasets.folder import Folder, number
from promptreg.datasets.pairing import Scan, between


class ChaosNifti(Folder):
    """Pairs between subjects, onto the first."""

    reader = "chaos_nifti"
    layout = "a folder, at any depth, with image_<id>.nii.gz and label_<id>.nii.gz"
    names: ClassVar = NAMES

    def pairs(self) -> list[PairSpec]:
        """List the pairs in the order of the subjects' numbers."""
        scans = [
            Scan(f"chaos-{image.rpartition('-')[2]}", image, "label_".join(place.rsplit("image_", 1)))
            for image, place in self.images.items()
        ]
        listed = list(between(scans, group="T2-SPIR", source=SOURCE))
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the volumes that have a label map."""
        files = sorted(self.root.rglob("image_*.nii.gz"), key=number)
        return {
            f"t2-{number(file):02d}": self.relative(file)
            for file in files
            if file.with_name(file.name.replace("image_", "label_")).is_file()
        }
