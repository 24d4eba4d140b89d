"""Whole tissue cores, second-harmonic generation and bright field of the same core, aligned to each other.

    HighRes_Splits/WSI/train/<core>_MI.tif, _WB.tif      HighRes_Splits/WSI/test/<core>_SHG.tif, _BF.tif

The two images of a pair lie on one another, so a pair says something only under a known motion: set
`misalign` of the data set. Truth is a lattice of points.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.pairing import Scan, pair
from promptreg.datasets.rigid_patches import lattice

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

ENDINGS = {"train": ("_MI.tif", "_WB.tif"), "test": ("_SHG.tif", "_BF.tif")}
SOURCE = "Eliceiri TMA"


class TmaCores(Folder):
    """Second harmonic onto bright field of every core."""

    reader = "tma_cores"
    layout = "the unpacked archive, HighRes_Splits/WSI/{train,test}/<core>_{MI,WB,SHG,BF}.tif"

    def pairs(self) -> list[PairSpec]:
        """List the pairs, those in `train` first."""
        listed = [self._pair(image) for image in self.images if image.endswith("_BF")]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of both images of every core."""
        folder = self.below("HighRes_Splits/WSI", "WSI", ".")
        found = {}
        for part, (harmonic, bright) in ENDINGS.items():
            for file in sorted((folder / part).glob(f"*{bright}")):
                core = file.name.removesuffix(bright)
                found[f"{core}_SHG"] = self.relative(file.with_name(f"{core}{harmonic}"))
                found[f"{core}_BF"] = self.relative(file)
        return found

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the lattice, which is the same on both images."""
        import numpy as np

        return lattice(np.eye(3), grid.shape)[1]

    def _pair(self, bright: str) -> PairSpec:
        core = bright.removesuffix("_BF")
        scans = [
            Scan(f"tma-{core}", image, landmarks=f"{self.images[image]}#lattice")
            for image in (f"{core}_SHG", bright)
        ]
        return pair(*scans, group="second harmonic to bright field", source=SOURCE, dimension=2)
