"""The contract of a data set reader; a reader is one file and one registry row.

Listing must be cheap and import no torch at module level: the workflow lists pairs while it plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image


MISALIGNED = "_misaligned"
"""Ends the names of a pair's twin, whose moving image was put under a known affine, and of that image."""

REVERSED = "_reversed"
"""Ends the name of a pair whose moving and fixed image have exchanged their roles."""


@dataclass(frozen=True)
class PairSpec:
    """One pair as listed: names only, nothing read yet.

    `moving` and `fixed` are image ids within the data set, equal for equal files. `annotations` are
    reader-specific references (paths, seeds) to labels and landmarks, JSON-serializable, by role:
    "moving_labels", "fixed_labels", "moving_landmarks", "fixed_landmarks"; a missing role means none.
    `moving_subject` and `fixed_subject` say who was imaged, so that nobody is both trained on and tested;
    empty if that is not known.
    `source` names the public data set that the pair comes from, "" if unknown; methods that have seen it in
    training are marked in tables.
    """

    pair: str
    moving: str
    fixed: str
    dimension: int
    group: str
    annotations: dict[str, str]
    moving_subject: str = ""
    fixed_subject: str = ""
    source: str = ""


class DatasetReader(Protocol):
    """Lists pairs cheaply, and reads images and annotations on demand."""

    def __init__(self, path: str | None) -> None:
        """Open the data set at `path` (None for one that needs no files)."""
        ...

    def pairs(self) -> list[PairSpec]:
        """List all pairs in a stable order. Raises ValueError naming the file, row and key on bad input."""
        ...

    def stamp(self, reference: str) -> str:
        """Return a cheap fingerprint (such as size and modification time) of an image or annotation."""
        ...

    def image(self, image: str) -> Image:
        """Read one image by its id; ValueError or OSError that name the file on bad input."""
        ...

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read a label map (*grid.shape) int; ValueError if its geometry is not that of `grid`."""
        ...

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Read landmarks (N, ndim) in world coordinates x, y(, z) of the image on `grid`."""
        ...

    def label_names(self, pair: str) -> dict[int, str]:
        """Return the names of a pair's labels where they are known."""
        ...
