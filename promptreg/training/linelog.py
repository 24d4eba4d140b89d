"""A log of numbers: a CSV with one line at a time, which a resumed run continues."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


class LineLog:
    """A CSV with fixed columns, the first of which counts steps.

    It is begun anew, or, with `after`, cut behind that step and continued. Values that a line leaves out
    are empty.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, after: int | None = None) -> None:
        self._path, self._columns = path, columns
        kept: list[dict[str, str]] = []
        if after is not None and path.is_file():
            with path.open(newline="") as stream:
                kept = [row for row in csv.DictReader(stream) if int(row[columns[0]]) <= after]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(kept)

    def append(self, row: Mapping[str, float]) -> None:
        """Add one line."""
        with self._path.open("a", newline="") as stream:
            csv.DictWriter(stream, self._columns).writerow(
                {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
            )
