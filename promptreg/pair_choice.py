"""Which of the pairs that a data set lists take part: names only. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from promptreg.config import Dataset, Train
from promptreg.datasets.base import PairSpec
from promptreg.splits import Part


@dataclass(frozen=True)
class Scope:
    """What methods are compared on: the split, and whether pairs to train on are kept, and how many."""

    train: Train = field(default_factory=Train)
    seed: int = 0
    training: bool = True
    most_training: int = 500


PartOf = Callable[[str], Part]
"""The part of the split that a subject belongs to."""


def chosen(listed: Sequence[PairSpec], spec: Dataset, scope: Scope, part_of: PartOf) -> list[PairSpec]:
    """Return the pairs of a data set that take part, in the order in which they are listed.

    These are the pairs of the wanted dimension and groups, of the test and its training alone where the run
    compares on the test, and between subjects those onto the standard reference where the data set says so.

    Raises:
        ValueError: a group that no pair is of, or no pair is left.
    """
    if unknown := [name for name in spec.groups if name not in {one.group for one in listed}]:
        known = ", ".join(dict.fromkeys(f"'{one.group}'" for one in listed))
        msg = f"groups: no pair is of '{unknown[0]}'; there are {known}"
        raise ValueError(msg)
    kept = [one for one in listed if spec.dimension in (None, one.dimension)]
    kept = [one for one in kept if not spec.groups or one.group in spec.groups]
    if scope.train.test_only:
        kept = _of_use(kept, scope, part_of)
    if spec.reference:
        kept = list(_onto_reference(kept, scope, part_of))
    tested = kept if not scope.train.test_only else [one for one in kept if _side(one, part_of) == "test"]
    if not tested:
        msg = (
            f"no pair left of {len(listed)} listed, dimension={spec.dimension}, groups={list(spec.groups)}, "
            f"test_only={scope.train.test_only}"
        )
        raise ValueError(msg)
    named = [replace(one, group=spec.application) for one in kept] if spec.application else kept
    return named[: spec.limit]


def subjects_of(pair: PairSpec) -> tuple[str, str]:
    """Who is moved and who is fixed; an image of which nothing is said is a subject of its own."""
    return pair.moving_subject or pair.moving, pair.fixed_subject or pair.fixed


def _of_use(pairs: Sequence[PairSpec], scope: Scope, part_of: PartOf) -> list[PairSpec]:
    """Pairs of the test, and where something is trained the first of those to train on, as listed."""
    sides = {one.pair: _side(one, part_of) for one in pairs}
    training = [one.pair for one in pairs if sides[one.pair] == "training"]
    wanted = set(training[: scope.most_training] if scope.training else ())
    return [one for one in pairs if sides[one.pair] == "test" or one.pair in wanted]


def _side(pair: PairSpec, part_of: PartOf) -> str:
    """ "test" where both subjects are in it, "training" where neither is, "" for pairs that are of no use."""
    in_test = {part_of(subject) == "test" for subject in subjects_of(pair)}
    return "" if len(in_test) > 1 else "test" if in_test == {True} else "training"


def _onto_reference(pairs: Sequence[PairSpec], scope: Scope, part_of: PartOf) -> Iterator[PairSpec]:
    """Of pairs between subjects those that move everybody once, onto the standard reference of the group.

    It is the first subject listed that another is moved onto: of all, or of those in the test where the run
    compares on the test, and then pairs to train on are all kept. Subjects who are never paired with it (of
    another protocol, say) have the first of their own.
    """
    moved: dict[str, set[str]] = {}
    for pair in pairs:
        moving, fixed = subjects_of(pair)
        if moving == fixed or (scope.train.test_only and _side(pair, part_of) == "training"):
            yield pair
            continue
        here = moved.setdefault(pair.group, set())
        if fixed not in here and moving not in here:
            here.add(moving)
            yield pair
