"""Pairs and images of one data set, and how they fall into shards. Reads no pixels; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from promptreg.config import Dataset, Train
from promptreg.datasets.base import MISALIGNED, REVERSED, DatasetReader, PairSpec
from promptreg.datasets.corrupted import Corrupted, corrupted_pairs
from promptreg.naming import RULE, is_name
from promptreg.pair_choice import Scope, chosen
from promptreg.registry import find
from promptreg.settings import ConfigError
from promptreg.split_tables import read_split
from promptreg.splits import Part, part_of

FIRST_OF_TRAINING = 10_000
"""Number of the first shard of pairs to train on, so that more pairs of a test leave these as they are."""


@dataclass(frozen=True)
class ImageSpec:
    """One image to prepare: its id, the reader's id, its axes, whether it is misaligned and ever moves."""

    image: str
    source: str
    dimension: int
    misaligned: bool
    moves: bool


class DatasetPlan:
    """Pairs and images of one data set, and how they fall into shards.

    Shards follow the order of first appearance, so a pair appended to a data set leaves all full
    shards as they are.
    """

    def __init__(
        self, spec: Dataset, manifest: str | None, shard_size: int, scope: Scope | None = None
    ) -> None:
        self.spec = spec
        self._scope = scope or Scope()
        self.path = spec.path or (manifest if spec.reader == "manifest" else None)
        self._size = shard_size

    @cached_property
    def reader(self) -> DatasetReader:
        """The opened data set; what changes its images is set up with any seed, since none is read here."""
        if self.spec.corrupt is None:
            return self._source
        return Corrupted(self._source, self.spec.corrupt, seed=0)

    @cached_property
    def _source(self) -> DatasetReader:
        try:
            return find("dataset", self.spec.reader).load()(self.path)
        except (ValueError, OSError) as error:
            msg = f"data set '{self.spec.name}': {error}"
            raise ConfigError(msg) from None

    @cached_property
    def pairs(self) -> list[PairSpec]:
        """All pairs, each in all levels, followed by its exchange and misaligned twin, where asked for."""
        try:
            # A table that cannot be read is an error now, not when a subject's part is first asked for.
            _ = self._table
            part = partial(self._part, self._scope.train, self._scope.seed)
            kept = chosen(self._source.pairs(), self.spec, self._scope, part)
        except (ValueError, OSError) as error:
            msg = f"data set '{self.spec.name}': {error}"
            raise ConfigError(msg) from None
        if self.spec.corrupt is not None:
            kept = corrupted_pairs(kept, self.spec.corrupt)
        if self.spec.both_ways:
            kept = [way for one in kept for way in (one, _exchanged(one))]
        if self.spec.misalign is not None:
            kept = [twin for one in kept for twin in (one, _twin(one))]
        self._check_pair_names(kept)
        return kept

    def _check_pair_names(self, pairs: list[PairSpec]) -> None:
        """Pairs name folders and groups of stores, and a twin may not have another pair's name."""
        seen: set[str] = set()
        for name in (one.pair for one in pairs):
            problem = "is the name of two pairs; they must differ" if name in seen else ""
            if not is_name(name.removesuffix(MISALIGNED).removesuffix(REVERSED)):
                problem = f"cannot name a pair: allowed are {RULE}"
            if problem:
                msg = f"data set '{self.spec.name}': '{name}' {problem}"
                raise ConfigError(msg)
            seen.add(name)

    @cached_property
    def images(self) -> list[ImageSpec]:
        """Every image of the pairs once, in order of first appearance."""
        moving = {pair.moving for pair in self.pairs}
        order = {name: pair.dimension for pair in self.pairs for name in (pair.moving, pair.fixed)}
        return [
            ImageSpec(name, name.removesuffix(MISALIGNED), axes, name.endswith(MISALIGNED), name in moving)
            for name, axes in order.items()
        ]

    @cached_property
    def subjects(self) -> dict[str, str]:
        """Who is imaged, by the reader's id of the image: the image itself where no pair says."""
        found: dict[str, str] = {}
        for pair in self.pairs:
            for image, subject in ((pair.moving, pair.moving_subject), (pair.fixed, pair.fixed_subject)):
                source = image.removesuffix(MISALIGNED)
                if subject and found.setdefault(source, subject) != subject:
                    msg = (
                        f"data set '{self.spec.name}', pair '{pair.pair}': image '{source}' is of subject "
                        f"'{subject}' and elsewhere of '{found[source]}'; an image has one subject"
                    )
                    raise ConfigError(msg)
        return {one.source: found.get(one.source, one.source) for one in self.images}

    def part_of(self, image: str, train: Train, seed: int) -> Part:
        """The part of the split that the subject of an image belongs to."""
        return self._part(train, seed, self.subjects[image.removesuffix(MISALIGNED)])

    def _part(self, train: Train, seed: int, subject: str) -> Part:
        """The part of a subject: as a table says, or else by chance."""
        if subject in self._table:
            return self._table[subject]
        shares = {"test_share": train.test_share, "validation_share": train.validation_share}
        return part_of(subject, seed=seed, **shares)

    @cached_property
    def _table(self) -> dict[str, Part]:
        return read_split(Path(self.spec.split)) if self.spec.split else {}

    def training_images(self, train: Train, seed: int) -> list[tuple[str, str, Part]]:
        """Image, labels and part of all that may be trained on, by the reader's ids; never the test."""
        labels: dict[str, str] = {}
        for pair in self.pairs:
            for image, role in ((pair.moving, "moving_labels"), (pair.fixed, "fixed_labels")):
                if role in pair.annotations:
                    labels.setdefault(image.removesuffix(MISALIGNED), pair.annotations[role])
        found = [(image, reference, self.part_of(image, train, seed)) for image, reference in labels.items()]
        return [one for one in found if one[2] != "test"]

    def training_pairs(self, train: Train, seed: int) -> dict[Part, list[str]]:
        """Pairs to train on, and pairs to decide by when to stop, by name; no subject of them is in the test.

        A pair of one subject who is trained on and one who decides belongs to the latter. Of more pairs than
        are wanted the first ones count.
        """
        found: dict[Part, list[str]] = {"train": [], "validation": []}
        for pair in self.pairs:
            parts = {self.part_of(image, train, seed) for image in (pair.moving, pair.fixed)}
            if "test" not in parts and sum(map(len, found.values())) < self._scope.most_training:
                found["train" if parts == {"train"} else "validation"].append(pair.pair)
        return found

    def tested_pairs(self, train: Train, seed: int) -> list[PairSpec]:
        """Pairs both of whose subjects were kept from training."""
        return [pair for pair in self.pairs if self.is_tested(pair, train, seed)]

    def is_tested(self, pair: PairSpec, train: Train, seed: int) -> bool:
        """Whether both subjects of a pair were kept from training."""
        return all(self.part_of(image, train, seed) == "test" for image in (pair.moving, pair.fixed))

    def image_shard(self, image: str) -> str:
        """The shard that holds an image."""
        return f"{self._position[image] // self._size:03d}"

    @cached_property
    def _position(self) -> dict[str, int]:
        return {one.image: number for number, one in enumerate(self.images)}

    def position(self, pair: str) -> int:
        """The place of a pair in the list."""
        return next(number for number, one in enumerate(self.pairs) if one.pair == pair)

    @cached_property
    def _shards(self) -> dict[str, list[PairSpec]]:
        """Pairs by shard; where methods are compared on the test, pairs to train on are in other shards."""
        if not self._scope.train.test_only:
            return self._cut(self.pairs, 0)
        tested = self.tested_pairs(self._scope.train, self._scope.seed)
        names = {one.pair for one in tested}
        return self._cut(tested, 0) | self._cut(
            [one for one in self.pairs if one.pair not in names], FIRST_OF_TRAINING
        )

    def _cut(self, pairs: list[PairSpec], first: int) -> dict[str, list[PairSpec]]:
        starts = range(0, len(pairs), self._size)
        return {f"{first + n:03d}": pairs[start : start + self._size] for n, start in enumerate(starts)}

    @cached_property
    def _shard_of(self) -> dict[str, str]:
        return {one.pair: shard for shard, pairs in self._shards.items() for one in pairs}

    def shard_of(self, pair: str) -> str:
        """The shard that holds a pair."""
        return self._shard_of[pair]

    def shards(self) -> list[str]:
        """Names of the shards of the pairs that methods run on."""
        return [shard for shard in self._shards if int(shard) < FIRST_OF_TRAINING]

    def all_shards(self) -> list[str]:
        """Names of these shards and of those with pairs to train on alone."""
        return list(self._shards)

    def in_shard(self, shard: str) -> list[PairSpec]:
        """The pairs of a shard."""
        return self._shards[shard]

    def images_in(self, shard: str) -> list[ImageSpec]:
        """The images of an image shard."""
        return self.images[int(shard) * self._size : (int(shard) + 1) * self._size]


def _exchanged(pair: PairSpec) -> PairSpec:
    """The pair with the roles of its images exchanged."""
    other = {"moving": "fixed", "fixed": "moving"}
    annotations = {
        f"{other[role.partition('_')[0]]}_{role.partition('_')[2]}": reference
        for role, reference in pair.annotations.items()
    }
    return replace(
        pair,
        pair=f"{pair.pair}{REVERSED}",
        moving=pair.fixed,
        fixed=pair.moving,
        moving_subject=pair.fixed_subject,
        fixed_subject=pair.moving_subject,
        group=f"{pair.group}, reversed" if pair.group else "reversed",
        annotations=annotations,
    )


def _twin(pair: PairSpec) -> PairSpec:
    return replace(
        pair,
        pair=f"{pair.pair}{MISALIGNED}",
        moving=f"{pair.moving}{MISALIGNED}",
        group=f"{pair.group}, misaligned",
    )
