"""Lung CT of Learn2Reg 2020, inspiration and expiration of 20 subjects, as first released.

    training/scans/case_001_{insp,exp}.nii.gz      training/lungMasks/case_001_{insp,exp}.nii.gz
    keypoints/case_001.csv    released later: i, j, k of expiration, then of inspiration

Since 2021 the same scans come with axes 0 and 1 flipped under other names: that is the reader `learn2reg`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.lungs import NAMES, left_and_right
from promptreg.datasets.pairing import Scan, pair
from promptreg.datasets.voxelpoints import read_voxel_points

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

SCAN = re.compile(r"case_(\d+)_(insp|exp)\.nii\.gz")
SOURCE = "LungCT"
GROUP = "inspiration to expiration"


class Lung2020(Folder):
    """Inspiration onto expiration of every subject."""

    reader = "lung2020"
    layout = "the unpacked archive, training/scans/case_001_{insp,exp}.nii.gz and training/lungMasks/"
    names: ClassVar = NAMES

    def pairs(self) -> list[PairSpec]:
        """List the pairs in the order of the cases."""
        cases = dict.fromkeys(image.rpartition("_")[0] for image in self.images)
        scans = {image: self._scan(image) for image in self.images}
        listed = [
            pair(scans[f"{case}_insp"], scans[f"{case}_exp"], group=GROUP, source=SOURCE)
            for case in cases
            if f"{case}_insp" in scans and f"{case}_exp" in scans
        ]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the scans."""
        folder = self.below("training/scans", "scans")
        files = sorted(one for one in folder.iterdir() if SCAN.fullmatch(one.name))
        return {file.name.removesuffix(".nii.gz"): self.relative(file) for file in files}

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read a mask of the lungs as right (1) and left (2)."""
        return left_and_right(super().labels(reference, grid), grid)

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Read the automatic keypoints of one breath, "TABLE#exp" or "TABLE#insp"."""
        place, _, breath = reference.partition("#")
        return read_voxel_points(self.root / place, grid, first=0 if breath == "exp" else 3, columns=6)

    def _scan(self, image: str) -> Scan:
        place = self.images[image]
        case, _, breath = image.rpartition("_")
        mask = place.replace("scans/", "lungMasks/")
        tables = (f"keypoints/{case}.csv", f"{place.partition('scans/')[0]}keypoints/{case}.csv")
        found = [f"{table}#{breath}" for table in tables if (self.root / table).is_file()]
        return Scan(
            f"lungct-{int(case.removeprefix('case_')):04d}",
            image,
            mask if (self.root / mask).is_file() else "",
            found[0] if found else "",
        )
