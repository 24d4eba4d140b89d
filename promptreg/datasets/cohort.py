"""A cohort of computed subjects: one anatomy, many people, for methods that are trained on a part of them.

Subjects are the abdomen of `anatomy.py` with a shape, pose, size, contrast and noise of their own, as images
of one axial plane and as coarse volumes: `cohort_subjects.py`. Everything follows from a subject's name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from promptreg.datasets.base import PairSpec

if TYPE_CHECKING:
    import numpy as np

    from promptreg.datasets.cohort_subjects import Built
    from promptreg.types import Grid, Image

SUBJECTS = {2: 60, 3: 16}
"""How many there are in the plane and in volumes; nobody is in both."""

PARTNERS = {2: 6, 3: 4}
"""A subject is the moving image of pairs with so many who follow, the first following the last."""

KINDS = {2: "plane", 3: "volume"}
GROUPS = {2: "cohort (2D)", 3: "cohort (3D)"}
EDITION = 1


class Cohort:
    """Pairs of different subjects; an image is the name of its subject, such as `plane-07`."""

    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            msg = f"the cohort needs no files; remove its path '{path}', or use the manifest reader"
            raise ValueError(msg)

    def pairs(self) -> list[PairSpec]:
        """List the pairs, 2D first."""
        return [
            _spec(ndim, number, (number + far) % n)
            for ndim, n in SUBJECTS.items()
            for number in range(n)
            for far in range(1, PARTNERS[ndim] + 1)
        ]

    def stamp(self, reference: str) -> str:
        """Return what an image depends on besides its name: the edition of the recipes."""
        _parse(reference)
        return f"cohort-{EDITION}"

    def image(self, image: str) -> Image:
        """Build one image by its id."""
        return _built(_parse(image).subject).image

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the label map (*grid.shape) int32 of one image."""
        labels = _built(_parse(reference).subject).labels
        if labels.shape != grid.shape:
            msg = f"cohort: labels '{reference}' have shape {labels.shape}, the image has {grid.shape}"
            raise ValueError(msg)
        return labels.copy()

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the landmarks (N, ndim) of one image in world coordinates x, y(, z)."""
        points = _built(_parse(reference).subject).landmarks
        if points.shape[1] != grid.ndim:
            msg = f"cohort: landmarks '{reference}' are {points.shape[1]}D, the image is {grid.ndim}D"
            raise ValueError(msg)
        return points.copy()

    def label_names(self, pair: str) -> dict[int, str]:
        """Return what the labels are called."""
        from promptreg.datasets.anatomy import abdomen

        return abdomen().label_names


class _Reference(NamedTuple):
    subject: str
    what: str


def _spec(ndim: int, moving: int, fixed: int) -> PairSpec:
    names = {"moving": f"{KINDS[ndim]}-{moving:02d}", "fixed": f"{KINDS[ndim]}-{fixed:02d}"}
    return PairSpec(
        pair=f"{names['moving']}_{fixed:02d}",
        **names,
        dimension=ndim,
        group=GROUPS[ndim],
        annotations={
            f"{side}_{kind}": f"{name}_{kind}"
            for side, name in names.items()
            for kind in ("labels", "landmarks")
        },
        moving_subject=names["moving"],
        fixed_subject=names["fixed"],
    )


def _parse(reference: str) -> _Reference:
    """Split an id into the subject and what it is of them ("" for the image)."""
    subject, _, what = reference.partition("_")
    kind, _, number = subject.partition("-")
    sizes = {KINDS[ndim]: n for ndim, n in SUBJECTS.items()}
    known = kind in sizes and len(number) == 2 and number.isdecimal() and int(number) < sizes[kind]
    if not known or what not in ("", "labels", "landmarks"):
        last = ", ".join(f"{name}-00 to {name}-{n - 1:02d}" for name, n in sizes.items())
        msg = f"cohort: unknown image or annotation '{reference}'; subjects are {last}"
        raise ValueError(msg)
    return _Reference(subject, what)


@cache
def _built(subject: str) -> Built:
    """Make all that belongs to a subject; made subjects are kept, all take some 15 MB."""
    from promptreg.datasets.cohort_subjects import planar, volumetric

    return planar(subject) if subject.startswith(KINDS[2]) else volumetric(subject)
