"""What readers of published folders share: where files lie, and when they change.

A reader lists its images by an id and a place below its folder. References to annotations are places too;
what follows a "#" in them is for the reader alone, and "|" joins several places. Imports no torch.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.base import PairSpec

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image


class Folder:
    """A data set in a folder; a subclass says what is in it.

    `reader` is its registered name, `layout` what the folder must hold, `names` the names of its labels.
    A subclass gives `images`, the place below the folder of every image by its id, and `pairs`.
    """

    reader = ""
    layout = ""
    names: ClassVar[dict[int, str]] = {}

    def __init__(self, path: str | None) -> None:
        if path is None:
            msg = f"the reader '{self.reader}' needs a folder: set `path` of the data set to {self.layout}"
            raise ValueError(msg)
        self.root = Path(path)
        if not self.root.is_dir():
            found = "is a file" if self.root.exists() else "no such folder"
            msg = (
                f"{path}: {found}; expected {self.layout}. `promptreg data list` says where published data "
                "come from (config/sources.tsv), and `promptreg data fetch` gets what may be downloaded"
            )
            raise FileNotFoundError(msg)

    @cached_property
    def images(self) -> dict[str, str]:
        """Place of every image below the folder, by its id."""
        raise NotImplementedError

    def pairs(self) -> list[PairSpec]:
        """List the pairs; ValueError naming folder and layout if there are none."""
        raise NotImplementedError

    def stamp(self, reference: str) -> str:
        """Return size and modification time of an image or annotation, or "absent"."""
        places = self.images.get(reference, reference).partition("#")[0].split("|")
        stamps = [stamp(self.root / place) for place in places]
        return "absent" if "absent" in stamps else "+".join(stamps)

    def image(self, image: str) -> Image:
        """Read an image by its id."""
        from promptreg.imageio import read_image

        return read_image(self.place(image))

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read the label map of the image on `grid`; (*grid.shape) int32."""
        from promptreg.imageio import read_labels

        return read_labels(self.root / reference, grid)

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Refuse: a data set without landmarks lists none."""
        msg = f"{self.root}: the reader '{self.reader}' knows no landmarks '{reference}'"
        raise ValueError(msg)

    def label_names(self, pair: str) -> dict[int, str]:
        """Return what the labels are called."""
        return dict(self.names)

    def place(self, image: str) -> Path:
        """Return where an image lies; ValueError if the data set has none of that id."""
        if image not in self.images:
            msg = f"{self.root}: the reader '{self.reader}' lists no image '{image}'"
            raise ValueError(msg)
        return self.root / self.images[image]

    def below(self, *options: str) -> Path:
        """Return the first of the folders `options` that exists below the data set; ValueError if none does.

        Archives are unpacked with and without their outermost folder.
        """
        for option in options:
            if (self.root / option).is_dir():
                return self.root / option
        raise self.nothing()

    def nothing(self) -> ValueError:
        """Return the error of a folder that does not hold the data set."""
        held = ", ".join(sorted(one.name for one in self.root.iterdir())[:6]) or "nothing"
        return ValueError(f"{self.root}: expected {self.layout}, found {held}")

    def relative(self, path: Path) -> str:
        """Return the place of a file below the folder."""
        return path.relative_to(self.root).as_posix()


def stamp(path: Path) -> str:
    """Return size and time of a file, a digest of those of all files of a folder, or "absent"."""
    try:
        if not path.is_dir():
            status = path.stat()
            return f"{status.st_size}-{status.st_mtime_ns}"
        files = sorted(one for one in path.iterdir() if one.is_file())
        text = "\n".join(f"{one.name} {stamp(one)}" for one in files)
    except OSError:
        return "absent"
    return hashlib.sha256(text.encode()).hexdigest()[:16] if files else "absent"


def number(path: Path) -> int:
    """Return the last number in a file's name, by which slices are counted; -1 if it has none."""
    found = re.findall(r"\d+", path.name.partition(".")[0])
    return int(found[-1]) if found else -1
