"""Zurich Summer v1.0: 20 crops of a satellite image in four bands, with class maps.

    Zurich_dataset_v1.0/images_tif/zh<id>.tif       Zurich_dataset_v1.0/groundtruth/zh<id>_GT.tif

Pairs are the near infrared and the three other bands of one crop, which lie on one another, so a pair says
something only under a known motion: set `misalign` of the data set. No file states the order of the bands:
near infrared is the band that is brightest over vegetation in the first class map that has some, and the
last band without class maps; the others keep the order of the file.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.class_maps import CLASSES, VEGETATION, read_classes
from promptreg.datasets.folder import Folder, number
from promptreg.datasets.pairing import Scan, pair
from promptreg.datasets.rigid_patches import lattice

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image

SOURCE = "Zurich Summer"
BANDS = 4
ENOUGH = 0.02
"""Share of the pixels that must be vegetation."""


class Zurich(Folder):
    """Near infrared onto colour of every crop."""

    reader = "zurich"
    layout = "the unpacked archive, Zurich_dataset_v1.0/images_tif/zh1.tif and groundtruth/zh1_GT.tif"
    names: ClassVar = {label: name for label, (name, _) in CLASSES.items()}

    def pairs(self) -> list[PairSpec]:
        """List the pairs by the number of the crop."""
        listed = [self._pair(image) for image in self.images if image.endswith("_colour")]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the crops; both images of a pair are bands of one file."""
        folder = self.below("Zurich_dataset_v1.0/images_tif", "images_tif")
        files = sorted(folder.glob("zh*.tif"), key=number)
        kinds = ("infrared", "colour")
        return {f"{file.stem}_{kind}": self.relative(file) for file in files for kind in kinds}

    def image(self, image: str) -> Image:
        """Read the bands of one kind."""
        import torch

        from promptreg.geometry import default_affine
        from promptreg.types import Grid, Image

        bands = read_bands(self.place(image))
        kept = [band for band in range(BANDS) if (band == self._infrared) == image.endswith("_infrared")]
        grid = Grid(bands.shape[1:], default_affine(2), "px")
        return Image(torch.from_numpy(bands[kept]), grid, image)

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read a class map, roads 1 to swimming pools 8."""
        classes = read_classes(self.root / reference)
        if classes.shape != grid.shape:
            msg = f"{self.root / reference}: {classes.shape} pixels, the image has {grid.shape}"
            raise ValueError(msg)
        return classes

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Return a lattice, which is the same on both images."""
        import numpy as np

        return lattice(np.eye(3), grid.shape)[1]

    @cached_property
    def _infrared(self) -> int:
        """The band of the near infrared."""
        for place in dict.fromkeys(self.images.values()):
            classes = self._classes(place)
            if classes.is_file():
                band = brightest_over_vegetation(read_bands(self.root / place), read_classes(classes))
                if band is not None:
                    return band
        return BANDS - 1

    def _classes(self, place: str) -> Path:
        file = self.root / place
        return file.parents[1] / "groundtruth" / f"{file.stem}_GT.tif"

    def _pair(self, image: str) -> PairSpec:
        place = self.images[image]
        crop = image.removesuffix("_colour")
        classes = self._classes(place)
        labels = self.relative(classes) if classes.is_file() else ""
        scans = [
            Scan(f"zurich-{crop}", one, labels, f"{place}#lattice") for one in (f"{crop}_infrared", image)
        ]
        return pair(*scans, group="near infrared to colour", source=SOURCE, dimension=2)


def read_bands(path: Path) -> np.ndarray:
    """Read the bands of a crop, (4, Y, X) float32; ValueError if it is no TIFF of four bands.

    Readers of pictures take the fourth band for opacity.
    """
    import numpy as np
    import tifffile

    try:
        values = tifffile.imread(path)
    except (tifffile.TiffFileError, ValueError) as error:
        msg = f"{path}: cannot be read as TIFF: {error}"
        raise ValueError(msg) from None
    if values.ndim != 3 or BANDS not in (values.shape[0], values.shape[2]):
        msg = f"{path}: array of shape {values.shape}; expected rows, columns and four bands"
        raise ValueError(msg)
    first = values if values.shape[0] == BANDS else np.moveaxis(values, -1, 0)
    return np.ascontiguousarray(first, dtype=np.float32)


def brightest_over_vegetation(bands: np.ndarray, classes: np.ndarray) -> int | None:
    """Return the band (of C, Y, X) that is brightest over trees and grass relative to everywhere.

    None where there is too little vegetation to tell.
    """
    import numpy as np

    green = np.isin(classes, VEGETATION)
    if green.mean() < ENOUGH:
        return None
    return int(np.argmax(bands[:, green].mean(axis=1) / np.maximum(bands.mean(axis=(1, 2)), 1e-9)))
