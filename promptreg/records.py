"""The tidy frame of results: one value a row, and one row for every pair that gave none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Literal, get_args

import pandas as pd

Status = Literal["ok", "empty", "absent", "failed", "not run"]
STATUSES: tuple[str, ...] = get_args(Status)
KEYS = ("dataset", "group", "method", "variant", "pair")
COLUMNS = (*KEYS, "label", "metric", "value", "unit", "status", "reason")


@dataclass(frozen=True)
class MetricRow:
    """One measured value, or why there is none.

    `status` is "ok"; "empty" where the warped structure has no cell (Dice is 0, distances are NaN);
    "absent" where an annotation is missing; "failed" or "not run" for a whole pair.
    """

    label: str
    metric: str
    value: float
    unit: str
    status: Status = "ok"
    reason: str = ""


def unregistered(status: Literal["failed", "not run"], reason: str) -> MetricRow:
    """Return the single row of a pair that a method did not register; every failure has a reason."""
    if not reason.strip():
        msg = f"a pair with status '{status}' needs a reason, found an empty one: say what went wrong"
        raise ValueError(msg)
    return MetricRow("", "registration", float("nan"), "", status, " ".join(reason.split()))


def cost_rows(
    seconds: Mapping[str, float],
    *,
    peak_memory_mb: float | None = None,
    flops: Mapping[str, int] | None = None,
) -> list[MetricRow]:
    """Return the rows of wall-clock seconds and operations by stage name, and of the peak memory in MB."""
    rows = [MetricRow("", f"seconds_{stage}", float(value), "s") for stage, value in seconds.items()]
    if peak_memory_mb is not None:
        rows.append(MetricRow("", "peak_memory", float(peak_memory_mb), "MB"))
    return rows + [
        MetricRow("", f"flops_{stage}", float(count), "FLOP") for stage, count in (flops or {}).items()
    ]


def to_frame(rows: Iterable[MetricRow], **keys: str) -> pd.DataFrame:
    """Return the rows of one pair as a frame with the columns `COLUMNS`.

    `keys` are dataset, group, method, variant and pair, all of them.
    """
    if set(keys) != set(KEYS):
        msg = f"a row of results is named by {', '.join(KEYS)}; found {', '.join(sorted(keys)) or 'nothing'}"
        raise ValueError(msg)
    prefix = tuple(keys[name] for name in KEYS)
    frame = pd.DataFrame([prefix + astuple(row) for row in rows], columns=list(COLUMNS))
    return frame.astype({"value": float})


def check_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame itself; ValueError that names the missing columns or unknown statuses."""
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        msg = f"the metrics lack the column(s) {', '.join(missing)}; expected {', '.join(COLUMNS)}"
        raise ValueError(msg)
    unknown = sorted(set(frame["status"]) - set(STATUSES))
    if unknown:
        msg = (
            f"unknown status {', '.join(map(repr, unknown))} in the metrics; known are {', '.join(STATUSES)}"
        )
        raise ValueError(msg)
    return frame


def entries(frame: pd.DataFrame) -> pd.Series:
    """Return each row's name in tables and figures: its variant, or its method where it has none."""
    return frame["variant"].where(frame["variant"].astype(bool), frame["method"]).rename("entry")
