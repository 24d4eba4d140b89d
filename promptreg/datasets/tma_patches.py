"""Patches of tissue cores under known rigid motion, from the record of R/T patches.

    Eliceiri_patches/patch_tlevel{1-4}/{A,B}/test/<core>_{R,T}.tif
    Eliceiri_patches/patch_tlevel{1-4}/info_test.csv

A is second-harmonic generation, B bright field (RGB); R and T of a pair are of one modality here, as in the
paper. No regions are labelled: truth is a lattice of points under the known motion.
"""

from __future__ import annotations

from typing import ClassVar

from promptreg.datasets.patch_folder import PatchFolder

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

    def subject(self, patch: str) -> str:
        """Return the core."""
        return f"tma-{patch}"
