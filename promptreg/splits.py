"""Which subjects a model may be trained on, and which are kept for the test; names only.

A subject's part is a function of its own name and of the seed, so that subjects who come later never move
those who are there, and the same person is in the same part of every data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from promptreg.seeds import derive_seed

Part = Literal["train", "validation", "test"]


def part_of(subject: str, *, seed: int, test_share: float, validation_share: float = 0.0) -> Part:
    """Return the part of a subject.

    A subject is in the test with the chance `test_share`, and otherwise, with the chance
    `validation_share`, in the part that decides when training stops. Of N subjects the test holds
    N * `test_share` give or take the square root of that: a quota would have to move subjects.
    """
    if _draw(seed, "test", subject) < test_share:
        return "test"
    return "validation" if _draw(seed, "validation", subject) < validation_share else "train"


def parts(
    subjects: Iterable[str], *, seed: int, test_share: float, validation_share: float = 0.0
) -> dict[Part, list[str]]:
    """Return the subjects of every part, each once, in the order in which they are given."""
    found: dict[Part, list[str]] = {"train": [], "validation": [], "test": []}
    for subject in dict.fromkeys(subjects):
        part = part_of(subject, seed=seed, test_share=test_share, validation_share=validation_share)
        found[part].append(subject)
    return found


def extended(
    table: Mapping[str, Part],
    subjects: Iterable[str],
    *,
    seed: int,
    test_share: float,
    validation_share: float = 0.0,
) -> dict[str, Part]:
    """Return a table of parts with subjects added to it; nobody who stands in it is moved.

    Of those who come new so many go into the test that it holds its share of all, rounded, as far as that
    can be reached; of the others so many decide when training stops. Who it is, is drawn.
    """
    found: dict[str, Part] = dict(table)
    new = [one for one in dict.fromkeys(subjects) if one not in found]
    n_test = _rounded(test_share * (len(found) + len(new))) - _count(found, "test")
    test = set(_first(new, n_test, seed, "test"))
    others = [one for one in new if one not in test]
    n_others = len(found) - _count(found, "test") + len(others)
    n_validation = _rounded(validation_share * n_others) - _count(found, "validation")
    validation = set(_first(others, n_validation, seed, "validation"))
    for one in new:
        found[one] = "test" if one in test else "validation" if one in validation else "train"
    return found


def _first(subjects: list[str], count: int, seed: int, purpose: str) -> list[str]:
    """The subjects with the smallest draws."""
    return sorted(subjects, key=lambda one: _draw(seed, purpose, one))[: max(count, 0)]


def _count(table: Mapping[str, Part], part: Part) -> int:
    return sum(one == part for one in table.values())


def _rounded(value: float) -> int:
    return int(value + 0.5)


def _draw(seed: int, purpose: str, subject: str) -> float:
    """A number in [0, 1) that belongs to a subject."""
    return derive_seed(seed, "split", purpose, subject) / 2**63
