"""Patches of tissue cores under known rigid motion, from the record of R/T patches.

    Eliceiri_patches/patch_tlevel{1-4}/{A,B}/test/<core>_{R,T}.tif
    Eliceiri_patches/patch_tlevel{1-4}/info_test.csv

A is second-harmonic generation, B bright field (RGB); R and T of a pair are of one modality here, as in the
paper. Nobody has labelled regions, so they are computed on R, by brightness alone, and on T they are what the
known motion makes of them; points are a lattice under that motion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.patch_folder import PatchFolder
from promptreg.datasets.rigid_patches import carried
from promptreg.datasets.tissue_regions import NAMES, tissue_regions

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

SOURCE = "Eliceiri TMA"


class TmaPatches(PatchFolder):
    """T onto R of every core, bright field first."""

    reader = "tma_patches"
    layout = (
        "the unpacked archive, Eliceiri_patches/patch_tlevel1/{A,B}/test/<core>_{R,T}.tif and info_test.csv"
    )
    outer = "Eliceiri_patches"
    modalities: ClassVar = {"B": "bright field", "A": "second harmonic"}
    suffix = ".tif"
    source = SOURCE
    names: ClassVar = NAMES

    def subject(self, patch: str) -> str:
        """Return the core."""
        return f"tma-{patch}"

    def regions_of(self, image: str) -> str:
        """Return the place of R, on which regions are computed."""
        return self.images[image]

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the regions that T sees whole, on the image of "TABLE|R#PATCH#R" or "TABLE|R#PATCH#T"."""
        from promptreg.imageio import read_image

        places, patch, which = reference.split("#")
        table, place = places.split("|")
        on_r, on_t = carried(
            tissue_regions(read_image(self.root / place).data.numpy()), self.motion(table, patch)
        )
        labels = on_r if which == "R" else on_t
        if labels.shape != grid.shape:
            msg = f"{self.root / place}: {labels.shape} pixels, but its twin T of '{patch}' has {grid.shape}"
            raise ValueError(msg)
        return labels
