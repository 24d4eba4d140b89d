"""CHAOS: abdominal MR of 20 labelled subjects, T1 in and out of phase and T2, as DICOM and PNG.

    Train_Sets/MR/<id>/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm     Train_Sets/MR/<id>/T1DUAL/Ground/*.png
    Train_Sets/MR/<id>/T2SPIR/DICOM_anon/*.dcm                        Train_Sets/MR/<id>/T2SPIR/Ground/*.png

One set of PNG serves both phases of T1, which are aligned; T1 and T2 are not. Slices and their PNG are
matched by the order of the numbers in their names, and then ordered by where the slices lie. Organs have
ranges of grey values. Subjects of the test sets have no labels and are not listed.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder, number
from promptreg.datasets.pairing import Scan, between, pair

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image

SEQUENCES = {
    "t2": ("T2-SPIR", "T2SPIR/DICOM_anon", "T2SPIR/Ground"),
    "t1in": ("T1 in phase", "T1DUAL/DICOM_anon/InPhase", "T1DUAL/Ground"),
    "t1out": ("T1 out of phase", "T1DUAL/DICOM_anon/OutPhase", "T1DUAL/Ground"),
}
GREYS = {1: (55, 70), 2: (110, 135), 3: (175, 200), 4: (240, 255)}
"""First and last grey value of each organ, by the label that it gets."""
NAMES = {1: "liver", 2: "right kidney", 3: "left kidney", 4: "spleen"}
SOURCE = "CHAOS"


class Chaos(Folder):
    """Pairs between subjects of one sequence, onto the first; and T1 in phase onto T2 of the same subject."""

    reader = "chaos"
    layout = "the unpacked archive, Train_Sets/MR/<id>/{T1DUAL,T2SPIR}/{DICOM_anon,Ground}"
    names: ClassVar = NAMES

    def pairs(self) -> list[PairSpec]:
        """List the pairs, sequence by sequence."""
        listed: list[PairSpec] = []
        for sequence, (group, *_) in SEQUENCES.items():
            listed += between(list(self._scans(sequence).values()), group=group, source=SOURCE)
        moving, fixed = self._scans("t1in"), self._scans("t2")
        listed += [
            pair(moving[subject], fixed[subject], group="T1 to T2, same subject", source=SOURCE)
            for subject in moving
            if subject in fixed
        ]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the folders of slices that have labels."""
        folder = self.below("Train_Sets/MR", "MR", ".")
        subjects = sorted((one for one in folder.iterdir() if one.name.isdigit()), key=number)
        found = {}
        for sequence, (_, slices, ground) in SEQUENCES.items():
            for subject in subjects:
                if (subject / slices).is_dir() and (subject / ground).is_dir():
                    found[f"{sequence}-{number(subject):02d}"] = self.relative(subject / slices)
        return found

    def image(self, image: str) -> Image:
        """Read a folder of slices."""
        import numpy as np
        import torch

        from promptreg.dicomseries import read_series
        from promptreg.types import Image

        raster, _ = read_series(slices(self.place(image)))
        return Image(torch.from_numpy(raster.values.astype(np.float32)), raster.grid, image)

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read the PNG of all slices, "FOLDER OF DICOM|FOLDER OF PNG", in the order of the slices."""
        import numpy as np

        from promptreg.dicomseries import read_series
        from promptreg.fileformats import decode

        dicom, ground = (self.root / place for place in reference.split("|"))
        pictures = numbered(ground, ".png")
        _, order = read_series(slices(dicom))
        if len(pictures) != len(order):
            msg = f"{ground}: {len(pictures)} PNG; {dicom} has {len(order)} slices, and each needs one"
            raise ValueError(msg)
        greys = [decode(pictures[place]).values[0] for place in order]
        if wrong := [n for n, one in enumerate(greys) if one.shape != grid.shape[1:]]:
            msg = f"{pictures[order[wrong[0]]]}: {greys[wrong[0]].shape} pixels; slices have {grid.shape[1:]}"
            raise ValueError(msg)
        labels = organs(np.stack(greys))
        if not labels.any():
            msg = f"{ground}: no pixel has the grey value of an organ; expected {GREYS}"
            raise ValueError(msg)
        return labels

    def _scans(self, sequence: str) -> dict[str, Scan]:
        """Labelled scans of a sequence by the name of the subject."""
        _, dicom, ground = SEQUENCES[sequence]
        scans = {}
        for image, place in self.images.items():
            if image.startswith(f"{sequence}-"):
                subject = f"chaos-{image.rpartition('-')[2]}"
                scans[subject] = Scan(subject, image, f"{place}|{place.removesuffix(dicom)}{ground}")
        return scans


def slices(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder by number."""
    return numbered(folder, ".dcm")


def numbered(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with a suffix by the last number in their names; ValueError if none."""
    files = sorted((one for one in folder.glob("*") if one.suffix.lower() == suffix), key=number)
    if not files:
        msg = f"{folder}: no {suffix} files"
        raise ValueError(msg)
    return files


def organs(greys: np.ndarray) -> np.ndarray:
    """Return labels int32 of the shape of `greys`: each organ has a range of grey values."""
    import numpy as np

    labels = np.zeros(greys.shape, dtype=np.int32)
    for label, (first, last) in GREYS.items():
        labels[(greys >= first) & (greys <= last)] = label
    return labels
