"""Pairs of scans: between subjects onto a standard reference, and within a subject. Names only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptreg.datasets.base import PairSpec

REFERENCES = 20
"""Subjects that others are registered onto; more would square the number of pairs of a large data set."""


@dataclass(frozen=True)
class Scan:
    """An image (by id), whose it is, and references to its annotations ("" for none)."""

    subject: str
    image: str
    labels: str = ""
    landmarks: str = ""


def pair(moving: Scan, fixed: Scan, *, group: str, source: str, dimension: int = 3) -> PairSpec:
    """Return the pair of two scans."""
    sides = (("moving", moving), ("fixed", fixed))
    annotations = {f"{side}_labels": one.labels for side, one in sides if one.labels}
    annotations |= {f"{side}_landmarks": one.landmarks for side, one in sides if one.landmarks}
    return PairSpec(
        pair=f"{moving.image}_to_{fixed.image}",
        moving=moving.image,
        fixed=fixed.image,
        dimension=dimension,
        group=group,
        annotations=annotations,
        moving_subject=moving.subject,
        fixed_subject=fixed.subject,
        source=source,
    )


def between(scans: Sequence[Scan], *, group: str, source: str) -> Iterator[PairSpec]:
    """Pair every scan with every earlier one, one scan a subject, onto the earlier one.

    The first scan is the standard reference, and pairs onto it come first; those onto the second follow,
    and so on, so that each part of a split has a first subject of its own. No more than `REFERENCES`
    subjects are registered onto.
    """
    for n, fixed in enumerate(scans[:REFERENCES]):
        for moving in scans[n + 1 :]:
            yield pair(moving, fixed, group=group, source=source)


def within(scans: Sequence[Scan], *, group: str, source: str) -> Iterator[PairSpec]:
    """Pair every later scan of a subject with the subject's first, onto the first."""
    first: dict[str, Scan] = {}
    for scan in scans:
        fixed = first.setdefault(scan.subject, scan)
        if fixed is not scan:
            yield pair(scan, fixed, group=group, source=source)


def first_of_each(scans: Sequence[Scan]) -> list[Scan]:
    """Return the first scan of every subject."""
    first: dict[str, Scan] = {}
    for scan in scans:
        first.setdefault(scan.subject, scan)
    return list(first.values())
