"""What a published data set on this machine holds, and whether that is all and as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from promptreg.data_folders import instructions, is_present, local_archives, open_reader
from promptreg.datasets.base import DatasetReader, PairSpec
from promptreg.file_list import changes, read_list, survey, write_list
from promptreg.source_table import Source
from promptreg.trust import trusted_hash

if TYPE_CHECKING:
    from promptreg.types import Grid

MOST_IMAGES = 200
"""Images whose grids are read for the ranges of a description; of more, evenly spread ones."""
MOST_NAMED = 8


@dataclass(frozen=True)
class Verified:
    """What `verify` found: problems, a line each, and how many files were compared or recorded."""

    problems: tuple[str, ...]
    n_files: int = 0
    recorded_now: bool = False


def verify(source: Source, folder: Path, root: Path | None = None) -> Verified:
    """Check files, sizes, hashes and the published layout of a data set in a folder.

    What is in a folder that nobody has checked before is recorded if its layout is right, and may not change
    unnoticed from then on. `root` is where archives may lie, which are hashed too.
    """
    if not is_present(folder):
        return Verified((f"{folder} is absent or empty: {instructions(source, folder.parent)}",))
    problems = [*_archive_problems(source, root), *layout_problems(source, folder)]
    try:
        recorded = read_list(folder)
    except ValueError as error:
        return Verified((*problems, f"{error}; delete that file to record the folder anew"))
    if recorded is not None:
        return Verified((*problems, *changes(folder, recorded)), len(recorded))
    if problems:
        return Verified(tuple(problems))
    files = survey(folder)
    return Verified((), len(files), recorded_now=write_list(folder, files))


def layout_problems(source: Source, folder: Path) -> Iterator[str]:
    """Say what of the published layout is missing: whole subjects, or files that listed pairs refer to."""
    try:
        reader = open_reader(source, folder)
        pairs = reader.pairs()
    except (ValueError, OSError) as error:
        yield str(error)
        return
    if missing := [one for one in source.subjects if one not in subjects(pairs)]:
        yield f"{folder}: {len(missing)} of {len(source.subjects)} subjects are missing: {_some(missing)}"
    for reference in dict.fromkeys(chain.from_iterable(_references(pair) for pair in pairs)):
        if reader.stamp(reference) == "absent":
            yield f"{folder}: '{reference}' is listed, and a file of it is missing"


def subjects(pairs: Sequence[PairSpec]) -> list[str]:
    """Return who is imaged, in the order of first appearance."""
    names = (name for pair in pairs for name in (pair.moving_subject, pair.fixed_subject))
    return [name for name in dict.fromkeys(names) if name]


def describe(source: Source, folder: Path) -> list[tuple[str, str]]:
    """Return what there is to say of a data set, (what, text) each; of one that is absent, how it is got.

    Raises:
        ValueError, OSError: the folder does not hold the data set.
    """
    known = [
        ("record", f"{source.record} {source.version}".strip() or "none"),
        ("licence", source.licence),
        ("citation", source.citation),
        ("reader", source.reader),
    ]
    if not is_present(folder):
        return [*known, ("absent", instructions(source, folder.parent))]
    reader = open_reader(source, folder)
    pairs = reader.pairs()
    images = list(dict.fromkeys(name for pair in pairs for name in (pair.moving, pair.fixed)))
    groups = dict.fromkeys(pair.group for pair in pairs)
    return [
        *known,
        ("folder", str(folder)),
        ("subjects", str(len(subjects(pairs)))),
        ("images", str(len(images))),
        ("pairs", str(len(pairs))),
        *((f"  {group}", str(sum(one.group == group for one in pairs))) for group in groups),
        ("with labels", _count(pairs, "labels")),
        ("labels", _names(reader, pairs)),
        ("with landmarks", _count(pairs, "landmarks")),
        *_geometry(reader, images),
    ]


def _geometry(reader: DatasetReader, images: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Ranges of matrix and spacing, x, y(, z), by the number of dimensions."""
    chosen = images[:: -(-len(images) // MOST_IMAGES)]
    grids: dict[int, list[Grid]] = {}
    for image in chosen:
        grid = reader.image(image).grid
        grids.setdefault(grid.ndim, []).append(grid)
    sample = f" ({len(chosen)} of {len(images)} images)" if len(chosen) < len(images) else ""
    for ndim, several in sorted(grids.items()):
        yield f"{ndim}D cells", _ranges([one.shape[::-1] for one in several], "d") + sample
        spacings = [tuple(one.spacing.tolist()[::-1]) for one in several]
        yield f"{ndim}D spacing", f"{_ranges(spacings, '.4g')} {several[0].unit}{sample}"


def _ranges(values: Sequence[Sequence[float]], fmt: str) -> str:
    """Smallest to largest of each column, "256 x 256 x 31..46"."""
    texts = []
    for column in zip(*values, strict=True):
        low, high = (format(one, fmt) for one in (min(column), max(column)))
        texts.append(low if low == high else f"{low}..{high}")
    return " x ".join(texts)


def _count(pairs: Sequence[PairSpec], kind: str) -> str:
    return f"{sum({f'moving_{kind}', f'fixed_{kind}'} <= set(one.annotations) for one in pairs)} pairs"


def _names(reader: DatasetReader, pairs: Sequence[PairSpec]) -> str:
    """Names of labels of the first pair of each group that has some; those of regions count as one kind."""
    found: dict[str, None] = {}
    firsts = {pair.group: pair for pair in reversed(pairs) if "fixed_labels" in pair.annotations}
    for pair in reversed(firsts.values()):
        found |= dict.fromkeys(reader.label_names(pair.pair).values())
    return ", ".join(found) or "none"


def _archive_problems(source: Source, root: Path | None) -> Iterator[str]:
    """Say which archives that are here are not the published ones, or not those of the first time."""
    for archive, file in local_archives(source, root).items() if root else ():
        if file is not None:
            try:
                trusted_hash(file, archive.sha256, name=file.name, remedy=f"run `{source.fetch_command}`")
            except ValueError as error:
                yield str(error)


def _references(pair: PairSpec) -> tuple[str, ...]:
    return (pair.moving, pair.fixed, *pair.annotations.values())


def _some(names: Sequence[str]) -> str:
    left = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")
