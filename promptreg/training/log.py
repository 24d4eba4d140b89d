"""The log of a run: a CSV with one line every few steps, which a resumed run continues."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

COLUMNS = (
    *("step", "n_images", "seconds", "generating", "side", "learning_rate", "gradient"),
    *("loss", "mask", "iou", "peak", "region", "point"),
    *("one_click", "best_of_3", "several", "proto_hit", "point_hit"),
)
"""`generating` is the share of the time that drawing the pairs takes; the last five are of validation."""


def begin(path: Path, step: int) -> None:
    """Start a log, or cut one behind the step from which a run goes on."""
    kept: list[dict[str, str]] = []
    if step and path.is_file():
        with path.open(newline="") as stream:
            kept = [row for row in csv.DictReader(stream) if int(row["step"]) <= step]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add one line."""
    written = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
    with path.open("a", newline="") as stream:
        csv.DictWriter(stream, COLUMNS).writerow(written)
