"""What files a folder held when it was first seen, with sizes and hashes, in a table inside it.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from promptreg import tsv
from promptreg.atomic import replacing
from promptreg.unpack import Unpacked

log = logging.getLogger("promptreg")

NAME = ".promptreg-files.tsv"
COLUMNS = ("place", "bytes", "sha256")
_CHECKS: tsv.Checks = {
    "place": (bool, "a place below the folder"),
    "bytes": (str.isdigit, "a number"),
    "sha256": (tsv.SHA256.fullmatch, "64 hexadecimal digits"),
}


def survey(folder: Path) -> list[Unpacked]:
    """Hash all files of a folder, in the order of their places; hidden ones are left out."""
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    places = ((one, one.relative_to(folder)) for one in files)
    return [
        Unpacked(place.as_posix(), file.stat().st_size, _sha256(file))
        for file, place in places
        if not any(part.startswith(".") for part in place.parts)
    ]


def write_list(folder: Path, files: Iterable[Unpacked]) -> bool:
    """Record files in the folder; False, and a line in the log, where it cannot be written."""
    lines = ["\t".join(COLUMNS), *(f"{one.place}\t{one.n_bytes}\t{one.sha256}" for one in files)]
    try:
        with replacing(folder / NAME) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("what %s holds cannot be recorded in it, so later changes go unseen: %s", folder, error)
        return False
    return True


def read_list(folder: Path) -> list[Unpacked] | None:
    """Return what is recorded of a folder, None if nothing; ValueError if the record is damaged."""
    place = folder / NAME
    if not place.is_file():
        return None
    rows = tsv.read(place, COLUMNS, _CHECKS)
    return [Unpacked(row["place"], int(row["bytes"]), row["sha256"]) for row in rows]


def changes(folder: Path, recorded: Iterable[Unpacked]) -> Iterator[str]:
    """Say of every recorded file that is gone or changed what is wrong; later files do not count."""
    for one in recorded:
        file = folder / one.place
        if not file.is_file():
            yield f"{file} is missing"
        elif file.stat().st_size != one.n_bytes:
            yield f"{file} has {file.stat().st_size} bytes, recorded are {one.n_bytes}"
        elif (found := _sha256(file)) != one.sha256:
            yield f"{file} has the sha256 {found}, recorded is {one.sha256}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
