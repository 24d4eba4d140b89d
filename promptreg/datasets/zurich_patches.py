"""Patches of the Zurich Summer images under known rigid motion, from the record of R/T patches.

    Zurich_patches/fold{1-3}/patch_tlevel{1-4}/{A,B}/test/zh<id>_<row>_<column>_{R,T}.png
    Zurich_patches/fold{1-3}/patch_tlevel{1-4}/info_test.csv

A is near infrared, B the three colours, blue first on disk and red first when read. Where the folder also
holds the class maps, `Zurich_dataset_v1.0/groundtruth/zh<id>_GT.tif`, the regions of one class are labels:
those of R, and on T what the known motion makes of them. A patch is the middle of a cell when an image is
cut into as many equal cells as patches fit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.class_maps import read_classes, regions
from promptreg.datasets.patch_folder import PatchFolder
from promptreg.datasets.rigid_patches import carried

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image

PATCH = re.compile(r"zh(\d+)_(\d+)_(\d+)")
MAPS = ("Zurich_dataset_v1.0/groundtruth", "groundtruth")
SIDE = 300
MOST = 12
"""Regions of a patch, the largest ones."""
SOURCE = "Zurich Summer"


class ZurichPatches(PatchFolder):
    """T onto R of every patch, colour first."""

    reader = "zurich_patches"
    layout = (
        "the unpacked archive, Zurich_patches/fold1/patch_tlevel1/{A,B}/test/zh7_01_01_{R,T}.png and "
        "info_test.csv, and if wanted Zurich_dataset_v1.0/groundtruth"
    )
    outer = "Zurich_patches"
    folds: ClassVar = ("fold1", "fold2", "fold3")
    modalities: ClassVar = {"B": "colour", "A": "near infrared"}
    suffix = ".png"
    source = SOURCE

    def subject(self, patch: str) -> str:
        """Return the image that a patch is cut from."""
        return f"zurich-{patch.partition('_')[0]}"

    def regions_of(self, image: str) -> str:
        """Return the place of the class map of a patch, "" if it is not there."""
        options = [f"{folder}/{image[3:].partition('_')[0]}_GT.tif" for folder in MAPS]
        return next((one for one in options if (self.root / one).is_file()), "")

    def image(self, image: str) -> Image:
        """Read a patch; colours red first."""
        from promptreg.types import Image

        read = super().image(image)
        return Image(read.data.flip(0).contiguous(), read.grid, read.name)

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the regions on one image, "TABLE|MAP#PATCH#R" or the same with T; 0 where none is whole."""
        on_r, on_t, _ = self._regions(reference)
        labels = on_r if reference.endswith("#R") else on_t
        if labels.shape != grid.shape:
            msg = f"{self.root}, patch '{reference}': {grid.shape} pixels; expected {SIDE} x {SIDE}"
            raise ValueError(msg)
        return labels

    def label_names(self, pair: str) -> dict[int, str]:
        """Return the class and number of every region of a pair."""
        annotations = self._pair(pair.partition("_to_")[2]).annotations
        return self._regions(annotations["fixed_labels"])[2] if "fixed_labels" in annotations else {}

    def _regions(self, reference: str) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
        """Regions on R, on T, and their names: the largest of those that T sees whole."""
        import numpy as np

        places, patch, _ = reference.split("#")
        table, classes = places.split("|")
        found, names = regions(crop(read_classes(self.root / classes), patch, str(self.root / classes)))
        on_r, on_t = carried(found, self.motion(table, patch))
        kept = [int(label) for label in np.unique(on_r) if label][:MOST]
        on_r, on_t = (np.where(np.isin(one, kept), one, 0).astype(np.int32) for one in (on_r, on_t))
        return on_r, on_t, {label: names[label] for label in kept}


def crop(classes: np.ndarray, patch: str, where: str) -> np.ndarray:
    """Return the part of a class map (Y, X) under the patch "zh<id>_<row>_<column>", counted from 1.

    Raises:
        ValueError: the map has no such cell; names `where`.
    """
    match = PATCH.fullmatch(patch)
    cells = [n // SIDE for n in classes.shape]
    if match is None or not all(1 <= int(match[k]) <= n for k, n in zip((2, 3), cells, strict=True)):
        msg = f"{where}: {classes.shape} pixels hold {cells[0]} x {cells[1]} patches, none is '{patch}'"
        raise ValueError(msg)
    starts = []
    for n, k, place in zip(classes.shape, cells, (int(match[2]), int(match[3])), strict=True):
        starts.append((place - 1) * (n // k) + (n // k - SIDE) // 2)
    row, column = starts
    return classes[row : row + SIDE, column : column + SIDE]
