"""Tables of published data sets for tests, and archives of small ones."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptreg.checkpoint_table import CACHE_VARIABLE
from promptreg.licences import ACCEPT_VARIABLE
from promptreg.source_table import ARCHIVE_COLUMNS, ARCHIVES_VARIABLE, COLUMNS, SOURCES_VARIABLE

NOWHERE = "http://127.0.0.1:9"


def source(**changes: str) -> dict[str, str]:
    """The row 'tiny' of a data set that is free to use, with changes."""
    plain = {
        "name": "tiny",
        "reader": "promis",
        "record": f"{NOWHERE}/record",
        "version": "1.0",
        "licence": "CC0",
        "accept": "",
        "citation": "nobody",
        "subjects": "",
        "obtain": "download from the record",
    }
    return plain | changes


def archive(**changes: str) -> dict[str, str]:
    """A file of 'tiny', with changes."""
    plain = {
        "source": "tiny",
        "file": "a.zip",
        "url": f"{NOWHERE}/a.zip",
        "bytes": "10",
        "sha256": "",
        "into": "",
        "strip": "",
    }
    return plain | changes


def write_sources(
    folder: Path, rows: Sequence[dict[str, str]], archives: Sequence[dict[str, str]]
) -> dict[str, str]:
    """Write tables of these rows; returns the variables that make them the ones that count."""
    variables = {}
    for name, variable, columns, lines in (
        ("sources.tsv", SOURCES_VARIABLE, COLUMNS, rows),
        ("archives.tsv", ARCHIVES_VARIABLE, ARCHIVE_COLUMNS, archives),
    ):
        text = "\n".join(["\t".join(columns), *("\t".join(row[one] for one in columns) for row in lines)])
        (folder / name).write_text(text + "\n", encoding="utf-8")
        variables[variable] = str(folder / name)
    return variables


def publish_sources(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *rows: dict[str, str],
    archives: Sequence[dict[str, str]] = (),
) -> None:
    """Make tables of these rows the ones that count, and nothing accepted."""
    for variable, path in write_sources(folder, rows, archives).items():
        monkeypatch.setenv(variable, path)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    monkeypatch.delenv(ACCEPT_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def packed(folder: Path, path: Path) -> dict[str, str]:
    """Zip all files of a folder; returns name, size and hash as a table has them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            made.write(file, file.relative_to(folder).as_posix())
    content = path.read_bytes()
    return {"file": path.name, "bytes": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
