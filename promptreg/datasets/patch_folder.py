"""What readers of the record of R/T patches share: T is moved onto R, which it was made from."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.pairing import Scan, pair
from promptreg.datasets.rigid_patches import TABLE, lattice, motions

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

LEVELS = (1, 2, 3, 4)


class PatchFolder(Folder):
    """T onto R of every patch; the group is the modality and the level of the motion.

    `outer` is the archive's folder, `folds` its parts, `modalities` the names of its letters, `suffix` the
    ending of its files. Image ids are such as `B4_1B_I2_R`: letter, level, patch, R or T.
    """

    outer = ""
    folds: ClassVar[tuple[str, ...]] = (".",)
    modalities: ClassVar[dict[str, str]] = {}
    suffix = ""
    source = ""

    def pairs(self) -> list[PairSpec]:
        """List the pairs, modality by modality, level by level."""
        listed = [self._pair(image) for image in self.images if image.endswith("_R")]
        if not listed:
            raise self.nothing()
        return listed

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of both images of every pair."""
        found = {}
        folder = self.below(self.outer, ".")
        parts = [
            (letter, level, folder / fold / f"patch_tlevel{level}" / letter / "test")
            for letter in self.modalities
            for level in LEVELS
            for fold in self.folds
        ]
        for letter, level, part in parts:
            for file in sorted(part.glob(f"*_R{self.suffix}")):
                for which in "RT":
                    name = f"{file.stem[:-1]}{which}"
                    found[f"{letter}{level}_{name}"] = self.relative(file.with_name(f"{name}{self.suffix}"))
        return found

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the lattice on one image, "TABLE#PATCH#R" or "TABLE#PATCH#T"."""
        place, patch, which = reference.split("#")
        t, r = lattice(self.motion(place, patch), grid.shape)
        return r if which == "R" else t

    def motion(self, table: str, patch: str) -> np.ndarray:
        """Return the known map (3, 3) from pixels of T to those of R; ValueError if the table has none."""
        known = motions(self.root / table)
        if patch not in known:
            msg = f"{self.root / table}: no row with the Filename '{patch}'"
            raise ValueError(msg)
        return known[patch]

    def subject(self, patch: str) -> str:
        """Return what was imaged; patches of one scene have one."""
        raise NotImplementedError

    def regions_of(self, image: str) -> str:
        """Return the place of what tells the regions of the pair of an image R, "" if nothing does."""
        return ""

    def _pair(self, image: str) -> PairSpec:
        letter, level, patch = image[0], image[1], image[3:-2]
        table = f"{self.images[image].partition(f'/{letter}/test/')[0]}/{TABLE}"
        regions = self.regions_of(image)
        fixed, moving = (
            Scan(
                self.subject(patch),
                f"{image[:-1]}{which}",
                f"{table}|{regions}#{patch}#{which}" if regions else "",
                f"{table}#{patch}#{which}",
            )
            for which in "RT"
        )
        group = f"{self.modalities[letter]}, level {level}"
        return pair(moving, fixed, group=group, source=self.source, dimension=2)
