"""Read the tables in `config/`: tab-separated, without quotes, every cell checked. Imports no torch."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
URL = re.compile(r"https?://[!-~]+")
SHA256 = re.compile(r"[0-9a-f]{64}")
NUMBER = re.compile(r"[0-9]*")

Row = dict[str, str]
Checks = Mapping[str, tuple[Callable[[str], object], str]]
"""By column: whether a cell is good, and what was expected."""


def locate(file: str, variable: str) -> Path:
    """Return where a table of `config/` lies: named by a variable, in the checkout or the working directory.

    Raises:
        FileNotFoundError: it is in none of these places; names them, and the variable.
    """
    if variable in os.environ:
        candidates = [Path(os.environ[variable])]
    else:
        roots = (Path(__file__).resolve().parents[1], Path.cwd())
        candidates = [root / "config" / file for root in roots]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = " and ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"no table: looked at {looked}; set {variable} to the path of {file}")


def read(path: Path, columns: Sequence[str], checks: Checks) -> list[Row]:
    """Return the rows of a table whose first column names them; ValueError names table, row and cell."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        if problem := _problem(row, columns, checks):
            raise ValueError(f"{path}, row {row.get(columns[0])!r}: {problem}")
    return rows


def refuse_twice(path: Path, column: str, values: Sequence[str]) -> None:
    """Raise ValueError if a value stands twice in a column, in whatever case."""
    folded = [value.casefold() for value in values]
    if twice := sorted({value for value in folded if folded.count(value) > 1}):
        raise ValueError(f"{path}: {column} '{twice[0]}' stands there twice")


def _problem(row: Row, columns: Sequence[str], checks: Checks) -> str:
    """What is wrong with a line, or an empty text."""
    if set(row) != set(columns) or None in row.values():
        return f"expected the tab-separated columns {', '.join(columns)}"
    if hidden := [name for name in columns if not row[name].isprintable()]:
        return f"{hidden[0]} holds a control character"
    wrong = next((name for name, (good, _) in checks.items() if not good(row[name])), None)
    return f"{wrong} is {row[wrong]!r}, expected {checks[wrong][1]}" if wrong else ""
