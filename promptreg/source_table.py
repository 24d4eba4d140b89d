"""The tables of published data sets: `config/sources.tsv`, and the files of each, `config/archives.tsv`.

Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptreg import tsv

SOURCES_VARIABLE = "PROMPTREG_SOURCES_TABLE"
ARCHIVES_VARIABLE = "PROMPTREG_ARCHIVES_TABLE"
COLUMNS = ("name", "reader", "record", "version", "licence", "accept", "citation", "subjects", "obtain")
ARCHIVE_COLUMNS = ("source", "file", "url", "bytes", "sha256", "into", "strip")
ACCEPT = ("", "noncommercial", "gated", "unstated")
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")

_FILE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._+*-]*")
_FOLDER = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?")
_GROUP = re.compile(r"([^{}]*)\{([^{}]*)\}")


@dataclass(frozen=True)
class Archive:
    """A file of a data set.

    `url` is "" where the file is got by hand. A `file` with a "*" is the one of that pattern in the record of
    Zenodo at `url`. Its content goes into the folder `into` of the data set, less `strip` outer folders.
    """

    file: str
    url: str
    n_bytes: int | None
    sha256: str
    into: str
    strip: int

    @property
    def is_pattern(self) -> bool:
        """Whether the name of the file is only known by a pattern."""
        return "*" in self.file


@dataclass(frozen=True)
class Source:
    """A published data set: where it comes from, and what may be done with it.

    `accept` says why the licence must be agreed to ("unstated": it is not known here), `subjects` names who
    is in the published release, as the reader calls them; `obtain` is what a user has to do.
    """

    name: str
    reader: str
    record: str
    version: str
    licence: str
    accept: str
    citation: str
    subjects: tuple[str, ...]
    obtain: str
    archives: tuple[Archive, ...]

    @property
    def what(self) -> str:
        """What it is, in sentences."""
        return "these data"

    @property
    def fetch_command(self) -> str:
        """The command that gets the files."""
        return f"promptreg data fetch {self.name}"


def sources() -> dict[str, Source]:
    """Read every published data set, by name.

    Raises:
        FileNotFoundError: a table is not found.
        ValueError: a malformed row, two rows of one name, or files of an unknown data set.
    """
    path = tsv.locate("sources.tsv", SOURCES_VARIABLE)
    rows = tsv.read(path, COLUMNS, _CHECKS)
    tsv.refuse_twice(path, "name", [row["name"] for row in rows])
    archives = _archives({row["name"] for row in rows})
    found = {}
    for row in rows:
        subjects, files = expanded(row.pop("subjects")), tuple(archives.get(row["name"], ()))
        found[row["name"]] = Source(**row, subjects=subjects, archives=files)
    return found


def find_source(name: str) -> Source:
    """Return a published data set; ValueError with the known names if there is none of that name."""
    known = sources()
    if name not in known:
        msg = f"unknown data set '{name}': config/sources.tsv has {', '.join(known)}"
        raise ValueError(msg)
    return known[name]


def expanded(text: str) -> tuple[str, ...]:
    """Return the names that a text such as "case{01,05..07}" stands for: case01, case05, case06, case07."""
    match = _GROUP.fullmatch(text)
    if not match:
        return (text,) if text else ()
    return tuple(f"{match[1]}{one}" for part in match[2].split(",") for one in _range(part))


def _range(part: str) -> Iterator[str]:
    first, dots, last = part.partition("..")
    if not dots:
        yield first
        return
    for number in range(int(first), int(last) + 1):
        yield f"{number:0{len(first)}d}"


def _archives(known: set[str]) -> dict[str, list[Archive]]:
    """All files by the name of their data set."""
    path = tsv.locate("archives.tsv", ARCHIVES_VARIABLE)
    found: dict[str, list[Archive]] = {}
    for row in tsv.read(path, ARCHIVE_COLUMNS, _ARCHIVE_CHECKS):
        name, n_bytes, strip = row.pop("source"), row.pop("bytes"), row.pop("strip")
        if name not in known:
            msg = f"{path}, row {name!r}: no such data set in sources.tsv"
            raise ValueError(msg)
        one = Archive(**row, n_bytes=int(n_bytes) if n_bytes else None, strip=int(strip or 0))
        if one.is_pattern and "/api/records/" not in one.url:
            msg = (
                f"{path}, row {name!r}: file '{one.file}' is a pattern, which needs a record of Zenodo's API"
            )
            raise ValueError(msg)
        found.setdefault(name, []).append(one)
    return found


_CHECKS: tsv.Checks = {
    "name": (re.compile(r"[a-z0-9_]+").fullmatch, "small letters, digits and _ alone"),
    "reader": (bool, "a registered reader"),
    "record": (lambda text: not text or tsv.URL.fullmatch(text), "an address or nothing"),
    "licence": (bool, "the licence of the data, or where it stands"),
    "accept": (lambda text: text in ACCEPT, f"nothing or {' or '.join(ACCEPT[1:])}"),
    "citation": (bool, "whom to cite"),
    "subjects": (lambda text: not text or _GROUP.fullmatch(text), "such as case{01,05..07} or nothing"),
    "obtain": (bool, "what a user has to do"),
}
_ARCHIVE_CHECKS: tsv.Checks = {
    "file": (
        lambda text: _FILE.fullmatch(text) and text.endswith(SUFFIXES),
        f"a plain file name, or a pattern with *, that ends in {', '.join(SUFFIXES)}",
    ),
    "url": (
        lambda text: not text or tsv.URL.fullmatch(text),
        "an address that begins with https://, or nothing",
    ),
    "bytes": (tsv.NUMBER.fullmatch, "a number or nothing"),
    "sha256": (lambda text: not text or tsv.SHA256.fullmatch(text), "64 hexadecimal digits or nothing"),
    "into": (_FOLDER.fullmatch, "a folder below that of the data set, or nothing"),
    "strip": (tsv.NUMBER.fullmatch, "a number or nothing"),
}
