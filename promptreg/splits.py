"""Which subjects a model may be trained on, and which are kept for the test; names only.

A subject's part is a function of its own name and of the seed, so that subjects who come later never move
those who are there, and the same person is in the same part of every data set.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def _draw(seed: int, purpose: str, subject: str) -> float:
    """A number in [0, 1) that belongs to a subject."""
    return derive_seed(seed, "split", purpose, subject) / 2**63
