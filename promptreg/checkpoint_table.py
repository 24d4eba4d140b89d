"""The table of released weights, `config/checkpoints.tsv`: what is known of every file. Imports no torch."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE_VARIABLE = "PROMPTREG_CHECKPOINTS_TABLE"
CACHE_VARIABLE = "PROMPTREG_CACHE"
COLUMNS = ("name", "file", "url", "bytes", "sha256", "licence", "accept", "key", "trained_on")
ACCEPT = ("", "noncommercial", "gated")
SUFFIXES = (".pth", ".pt", ".safetensors")

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_URL = re.compile(r"https?://[!-~]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checkpoint:
    """One row of the table.

    `n_bytes` and `sha256` are those of the published file, None and "" where nobody states them; `accept`
    is "noncommercial" or "gated" where the user must agree to the licence first; `key` is the dictionary
    key that holds the state dict in the file, "" where the file is the state dict itself.
    """

    name: str
    file: str
    url: str
    n_bytes: int | None
    sha256: str
    licence: str
    accept: str
    key: str
    trained_on: str


def table() -> dict[str, Checkpoint]:
    """Read every known checkpoint, by name.

    Raises:
        FileNotFoundError: the table itself is not found.
        ValueError: a malformed row, or two rows of one name or file; names table and row.
    """
    with table_path().open(newline="", encoding="utf-8") as stream:
        rows = [_checkpoint(row) for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]
    for column in ("name", "file"):
        values = [getattr(row, column).casefold() for row in rows]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"{table_path()}: {column} '{twice[0]}' stands there twice")
    return {row.name: row for row in rows}


def table_path() -> Path:
    """Return where the table lies: $PROMPTREG_CHECKPOINTS_TABLE, the checkout, or the working directory."""
    if TABLE_VARIABLE in os.environ:
        candidates = [Path(os.environ[TABLE_VARIABLE])]
    else:
        roots = (Path(__file__).resolve().parents[1], Path.cwd())
        candidates = [root / "config" / "checkpoints.tsv" for root in roots]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = " and ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(
        f"no checkpoint table: looked at {looked}; set {TABLE_VARIABLE} to the path of checkpoints.tsv"
    )


def cache_dir() -> Path:
    """Return the folder of weight files."""
    return Path(os.environ.get(CACHE_VARIABLE, "~/.cache/promptreg")).expanduser()


def find(name: str) -> Checkpoint:
    """Return the row of a checkpoint; ValueError with the known names if absent."""
    known = table()
    if name not in known:
        raise ValueError(f"unknown checkpoint '{name}': {table_path()} has {', '.join(known)}")
    return known[name]


def _checkpoint(row: dict[str, Any]) -> Checkpoint:
    """Turn one line of the table into a row; ValueError naming the line's checkpoint if it is malformed."""
    if problem := _problem(row):
        raise ValueError(f"{table_path()}, row {row.get('name')!r}: {problem}")
    n_bytes = row.pop("bytes")
    return Checkpoint(n_bytes=int(n_bytes) if n_bytes else None, **row)


def _problem(row: dict[str, Any]) -> str:
    """What is wrong with a line, or an empty text."""
    if set(row) != set(COLUMNS) or None in row.values():
        return f"expected the tab-separated columns {', '.join(COLUMNS)}"
    if hidden := [name for name in COLUMNS if not row[name].isprintable()]:
        return f"{hidden[0]} holds a control character"
    checks = {
        "name": (_PLAIN.fullmatch(row["name"]), "letters, digits and . _ + - alone"),
        "file": (
            _PLAIN.fullmatch(row["file"]) and row["file"].endswith(SUFFIXES),
            f"a plain file name that ends in {', '.join(SUFFIXES)}",
        ),
        "url": (_URL.fullmatch(row["url"]), "an address that begins with https://"),
        "bytes": (
            re.fullmatch("[0-9]*", row["bytes"]),
            "a number or nothing",
        ),
        "sha256": (not row["sha256"] or _SHA256.fullmatch(row["sha256"]), "64 hexadecimal digits or nothing"),
        "licence": (row["licence"], "the licence of the weights"),
        "accept": (row["accept"] in ACCEPT, f"nothing or {' or '.join(ACCEPT[1:])}"),
    }
    wrong = next((name for name, (good, _) in checks.items() if not good), None)
    return f"{wrong} is {row[wrong]!r}, expected {checks[wrong][1]}" if wrong else ""
