"""Tables of who is in which part of a data set: written once, then only added to. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import get_args

from promptreg import tsv
from promptreg.atomic import replacing
from promptreg.splits import Part

COLUMNS = ("subject", "part")


def read_split(path: Path) -> dict[str, Part]:
    """Return the part of every subject of a table.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: a malformed row, or a subject that stands there twice.
    """
    if not path.is_file():
        msg = f"{path}: no such table of a split; `promptreg data split` makes one"
        raise FileNotFoundError(msg)
    status = path.stat()
    return dict(_read(path, status.st_size, status.st_mtime_ns))


def write_split(path: Path, parts: Mapping[str, Part]) -> None:
    """Write a table, whole or not at all.

    Raises:
        ValueError: the table that is there says otherwise of a subject; it may only be added to.
    """
    for subject, part in (read_split(path) if path.is_file() else {}).items():
        if parts.get(subject) != part:
            msg = f"{path}: '{subject}' is in '{part}' and may not be moved or removed; write another table"
            raise ValueError(msg)
    lines = ["\t".join(COLUMNS), *(f"{subject}\t{part}" for subject, part in parts.items())]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


@lru_cache(maxsize=64)
def _read(path: Path, n_bytes: int, modified_ns: int) -> tuple[tuple[str, Part], ...]:
    """The rows of a table; size and time are there to tell versions of it apart."""
    known: dict[str, Part] = {part: part for part in get_args(Part)}
    checks: tsv.Checks = {
        "subject": (bool, "the name of a subject"),
        "part": (lambda text: text in known, " or ".join(known)),
    }
    rows = tsv.read(path, COLUMNS, checks)
    tsv.refuse_twice(path, "subject", [row["subject"] for row in rows])
    return tuple((row["subject"], known[row["part"]]) for row in rows)
