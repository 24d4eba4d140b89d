"""The table of released weights, `config/checkpoints.tsv`: what is known of every file. Imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from promptreg import tsv

TABLE_VARIABLE = "PROMPTREG_CHECKPOINTS_TABLE"
CACHE_VARIABLE = "PROMPTREG_CACHE"
COLUMNS = ("name", "file", "url", "bytes", "sha256", "licence", "accept", "key", "trained_on")
ACCEPT = ("", "noncommercial", "gated")
SUFFIXES = (".pth", ".pt", ".safetensors")


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

    @property
    def what(self) -> str:
        """What it is, in sentences."""
        return "these weights"

    @property
    def fetch_command(self) -> str:
        """The command that gets the file."""
        return f"promptreg weights fetch {self.name}"


def table() -> dict[str, Checkpoint]:
    """Read every known checkpoint, by name.

    Raises:
        FileNotFoundError: the table itself is not found.
        ValueError: a malformed row, or two rows of one name or file; names table and row.
    """
    rows = [_checkpoint(row) for row in tsv.read(table_path(), COLUMNS, _CHECKS)]
    for column in ("name", "file"):
        tsv.refuse_twice(table_path(), column, [getattr(row, column) for row in rows])
    return {row.name: row for row in rows}


def table_path() -> Path:
    """Return where the table lies: $PROMPTREG_CHECKPOINTS_TABLE, the checkout, or the working directory."""
    return tsv.locate("checkpoints.tsv", TABLE_VARIABLE)


def cache_dir() -> Path:
    """Return the folder of weight files."""
    return Path(os.environ.get(CACHE_VARIABLE, "~/.cache/promptreg")).expanduser()


def find(name: str) -> Checkpoint:
    """Return the row of a checkpoint; ValueError with the known names if absent."""
    known = table()
    if name not in known:
        raise ValueError(f"unknown checkpoint '{name}': {table_path()} has {', '.join(known)}")
    return known[name]


def _checkpoint(row: tsv.Row) -> Checkpoint:
    """Turn one checked line of the table into a row."""
    n_bytes = row.pop("bytes")
    return Checkpoint(n_bytes=int(n_bytes) if n_bytes else None, **row)


_CHECKS: tsv.Checks = {
    "name": (tsv.PLAIN.fullmatch, "letters, digits and . _ + - alone"),
    "file": (
        lambda text: tsv.PLAIN.fullmatch(text) and text.endswith(SUFFIXES),
        f"a plain file name that ends in {', '.join(SUFFIXES)}",
    ),
    "url": (tsv.URL.fullmatch, "an address that begins with https://"),
    "bytes": (tsv.NUMBER.fullmatch, "a number or nothing"),
    "sha256": (lambda text: not text or tsv.SHA256.fullmatch(text), "64 hexadecimal digits or nothing"),
    "licence": (bool, "the licence of the weights"),
    "accept": (lambda text: text in ACCEPT, f"nothing or {' or '.join(ACCEPT[1:])}"),
}
