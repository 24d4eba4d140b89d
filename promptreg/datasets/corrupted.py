"""Any data set under a graded known change: each pair once a level, so that curves can be drawn.

The moving image of a pair is moved or spoilt; its labels and landmarks move with it. Or (`of: fixed`) the
fixed image takes the place of the moving one and is moved or spoilt, so that the truth is known everywhere:
a lattice of landmarks in the body says where it went, on any image, annotated or not. A change grows with
its level in one direction that is drawn once an image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptreg.datasets.base import DatasetReader, PairSpec
from promptreg.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np

    from promptreg.config import Corruption
    from promptreg.types import Grid, Image

LEVELS: dict[str, str] = {
    "rotation": "degrees",
    "shift": "share of field of view",
    "scale": "factor minus 1",
    "affine": "largest strain",
    "elastic": "longest move, share of side",
    "noise": "standard deviation, share of range",
    "bias": "largest log gain",
    "inversion": "share of range inverted",
}
"""What a level counts."""
LATTICE = {"moving": "lattice, moving", "fixed": "lattice, fixed"}
"""In place of an annotation: landmarks that are computed, and on which side."""
_CHANGED = re.compile(r'\[-?[\d.]+(e[-+]\d+)?, "')
"""How the reference to a changed annotation begins; a path may begin with a bracket, too."""


def corrupted_pairs(pairs: Sequence[PairSpec], corruption: Corruption) -> list[PairSpec]:
    """Return each pair once a level; names and groups end in the kind and the level."""
    return [_corrupted(one, corruption, level) for one in pairs for level in corruption.levels]


def group_name(group: str, corruption: Corruption, level: float) -> str:
    """Return the group of the pairs of one level."""
    return ", ".join(text for text in (group, f"{corruption.kind} {level:g}") if text)


class Corrupted:
    """A reader of another data set whose pairs are changed; see the module."""

    def __init__(self, reader: DatasetReader, corruption: Corruption, seed: int) -> None:
        self._reader, self._corruption, self._seed = reader, corruption, seed

    def pairs(self) -> list[PairSpec]:
        """List every pair of the other data set once a level."""
        return corrupted_pairs(self._reader.pairs(), self._corruption)

    def stamp(self, reference: str) -> str:
        """Return that of the image or annotation that is changed."""
        if not _CHANGED.match(reference):
            return self._reader.stamp(self._split(reference)[0])
        _, image, annotation = json.loads(reference)
        return self._reader.stamp(image if annotation in LATTICE.values() else annotation)

    def image(self, image: str) -> Image:
        """Read one image, and change it if its name says so."""
        from promptreg.datasets.corruption import corrupt_image

        source, level = self._split(image)
        read = self._reader.image(source)
        if level is None:
            return read
        return corrupt_image(read, self._corruption.kind, level, self._seed_of(source))

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read a label map (*grid.shape) int, moved as its image was."""
        if not _CHANGED.match(reference):
            return self._reader.labels(reference, grid)
        from promptreg.datasets.corruption import move_labels

        level, image, annotation = json.loads(reference)
        labels = self._reader.labels(annotation, grid)
        return move_labels(labels, grid, self._corruption.kind, level, self._seed_of(image))

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Read landmarks (N, ndim) in world coordinates, moved as their image was."""
        if not _CHANGED.match(reference):
            return self._reader.landmarks(reference, grid)
        from promptreg.datasets.corruption import lattice, move_points

        level, image, annotation = json.loads(reference)
        kind, seed = self._corruption.kind, self._seed_of(image)
        if annotation in LATTICE.values():
            fixed, moving = lattice(self._reader.image(image), kind, level, seed)
            return fixed if annotation == LATTICE["fixed"] else moving
        return move_points(self._reader.landmarks(annotation, grid), grid, kind, level, seed)

    def label_names(self, pair: str) -> dict[int, str]:
        """Return the names of a pair's labels where they are known."""
        return self._reader.label_names(self._split(pair)[0])

    def _split(self, name: str) -> tuple[str, float | None]:
        """The other data set's name of an image or pair, and the level; None for an image as it is."""
        for level in self._corruption.levels:
            if name.endswith(mark := _mark(self._corruption.kind, level)):
                return name.removesuffix(mark), float(f"{level:g}")
        return name, None

    def _seed_of(self, image: str) -> int:
        return derive_seed(self._seed, image, self._corruption.kind)


def _corrupted(pair: PairSpec, corruption: Corruption, level: float) -> PairSpec:
    mark = _mark(corruption.kind, level)
    source = pair.moving if corruption.of == "moving" else pair.fixed
    annotations = dict(pair.annotations)
    if corruption.of == "fixed":
        labels = pair.annotations.get("fixed_labels")
        annotations = {f"{side}_landmarks": _reference(level, source, text) for side, text in LATTICE.items()}
        annotations |= {} if labels is None else {"fixed_labels": labels, "moving_labels": labels}
    for role in ("moving_labels", "moving_landmarks"):
        if role in annotations and not _CHANGED.match(annotations[role]):
            annotations[role] = _reference(level, source, annotations[role])
    return replace(
        pair,
        pair=f"{pair.pair}{mark}",
        moving=f"{source}{mark}",
        moving_subject=pair.moving_subject if corruption.of == "moving" else pair.fixed_subject,
        group=group_name(pair.group, corruption, level),
        annotations=annotations,
    )


def _mark(kind: str, level: float) -> str:
    return f".{kind}-{level:g}"


def _reference(level: float, image: str, annotation: str) -> str:
    return json.dumps([level, image, annotation])
