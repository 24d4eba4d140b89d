"""PI-CAI (which holds PROSTATEx): T2-weighted prostate MR, with glands and zones from `picai_labels`.

Images are `<patient>/<patient>_<study>_t2w.mha`, below `images/` or the folder itself. Labels are what
models of the challenge's organizers made:
`picai_labels/anatomical_delineations/{whole_gland,zonal_pz_tz}/AI/<model>/<patient>_<study>.nii.gz`; of
several models the first by name is read. The grids are oblique, and patients have other numbers than in
PROSTATEx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.pairing import Scan, between, first_of_each, within

SCAN = re.compile(r"(\d+)_(\d+)_t2w\.mha")
SOURCE = "PI-CAI"
LABELS = "picai_labels/anatomical_delineations"
KINDS = {"gland": "whole_gland", "zones": "zonal_pz_tz"}
NAMES = {"gland": {1: "prostate gland"}, "zones": {1: "peripheral zone", 2: "transition zone"}}


class Picai(Folder):
    """Pairs between patients and later studies of a patient, onto the first; once for each kind of labels."""

    reader = "picai"
    layout = "a folder with images/<patient>/<patient>_<study>_t2w.mha and picai_labels/"

    def pairs(self) -> list[PairSpec]:
        """List the pairs with glands, then those with zones."""
        listed = [one for kind in KINDS for one in self._pairs_with(kind)]
        if not listed:
            raise self.nothing()
        return listed

    def label_names(self, pair: str) -> dict[int, str]:
        """Return the names of the labels of the kind that the pair's name says."""
        return dict(NAMES[pair.rpartition("-")[2]])

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the T2-weighted scans, in the order of patients and studies."""
        folder = self.below("images", ".")
        found = sorted(
            (int(match[1]), int(match[2]), file)
            for file in folder.glob("*/*_t2w.mha")
            if (match := SCAN.fullmatch(file.name))
        )
        return {f"{patient}_{study}": self.relative(file) for patient, study, file in found}

    def _pairs_with(self, kind: str) -> Iterator[PairSpec]:
        """Pairs of scans that have labels of a kind; the kind ends their names."""
        labelled = self._labels(kind)
        scans = [
            Scan(f"picai-{image.partition('_')[0]}", image, labelled[image])
            for image in self.images
            if image in labelled
        ]
        groups = (
            between(first_of_each(scans), group=kind, source=SOURCE),
            within(scans, group=f"{kind}, same patient", source=SOURCE),
        )
        for one in (pair for group in groups for pair in group):
            yield PairSpec(**{**vars(one), "pair": f"{one.pair}-{kind}"})

    def _labels(self, kind: str) -> dict[str, str]:
        models = sorted(one for one in (self.root / LABELS / KINDS[kind] / "AI").glob("*") if one.is_dir())
        files = sorted(models[0].glob("*.nii.gz")) if models else []
        return {_stem(file): self.relative(file) for file in files}


def _stem(file: Path) -> str:
    return file.name.removesuffix(".nii.gz")
