"""How far the benchmark in a folder of results is: from its record, stores, logs and benchmark files.

A job is done where what it makes is there; whether that is up to date only Snakemake can say. Imports no
torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from promptreg.costs import Cost, read_costs, tail
from promptreg.jobs import Job
from promptreg.runguard import is_running
from promptreg.runrecord import RunRecord, read_record
from promptreg.store import SIGNATURE, StoreError, verify
from promptreg.store import read_record as read_store_record

State = Literal["done", "running", "failed", "stopped", "missing"]
ERRORS = ("promptreg: error:", "Traceback (most recent call last)")
NO_WORD = "ended without a word: killed, out of memory or out of time"
_REASONED = ("images", "pairs", "search", "marginalize", "fit", "register")


@dataclass(frozen=True)
class Found:
    """A job and its state; `reason` says why it failed or stopped, `log` where to read on."""

    job: Job
    state: State
    reason: str = ""
    log: str = ""


@dataclass
class Unregistered:
    """Pairs or images without a result for one reason, and the methods that miss it."""

    status: str
    reason: str
    stage: str
    names: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Progress:
    """Work left: seconds of single jobs, their number without any estimate, and jobs at once so far."""

    share: float
    left_seconds: Mapping[str, float]
    unknown: int
    at_once: float


@dataclass(frozen=True)
class Status:
    """All that can be said of a folder of results."""

    root: str
    record: RunRecord
    alive: bool
    found: tuple[Found, ...]
    costs: tuple[Cost, ...]
    without: tuple[Unregistered, ...]
    damaged: tuple[str, ...]
    progress: Progress


def status(root: str | Path, *, check: bool = False) -> Status:
    """Look at a folder of results; with `check` every store is read whole, to find damaged ones.

    Raises:
        ValueError: no run has left its record there.
    """
    root = Path(root)
    record = read_record(root)
    alive = is_running(root)
    found = tuple(_look(root, record, job, alive) for job in record.jobs)
    costs = tuple(read_costs(root))
    without, damaged = _without_results(root, record, found)
    if check:
        damaged += tuple(_damaged(root, record, found))
    return Status(
        str(root), record, alive, found, costs, without, damaged, progress(found, costs, _begun(record))
    )


def progress(
    found: Iterable[Found], costs: Iterable[Cost], begun: float, now: float | None = None
) -> Progress:
    """Estimate the work left by rule: mean seconds an item of the rule's finished jobs, times items left.

    `at_once` is the sum of the seconds of the jobs that ended since the run began, over the time since.
    """
    found, costs = list(found), list(costs)
    items = {(one.job.rule, one.job.name): one.job.items for one in found}
    rates = seconds_per_item(costs, items)
    left: dict[str, float] = {}
    unknown = 0
    for one in found:
        if one.state != "done" and one.job.rule in rates:
            left[one.job.rule] = left.get(one.job.rule, 0.0) + rates[one.job.rule] * one.job.items
        elif one.state != "done":
            unknown += 1
    lately = sum(one.seconds for one in costs if one.ended >= begun)
    elapsed = max((now or time.time()) - begun, 1.0)
    share = sum(one.state == "done" for one in found) / max(len(found), 1)
    return Progress(share, left, unknown, max(lately / elapsed, 1.0))


def seconds_per_item(costs: Iterable[Cost], items: Mapping[tuple[str, str], int]) -> dict[str, float]:
    """Return the mean wall seconds an item of each rule."""
    sums: dict[str, tuple[float, int]] = {}
    for one in costs:
        if (one.rule, one.name) in items:
            seconds, count = sums.get(one.rule, (0.0, 0))
            sums[one.rule] = seconds + one.seconds, count + items[one.rule, one.name]
    return {rule: seconds / count for rule, (seconds, count) in sums.items() if count}


def _look(root: Path, record: RunRecord, job: Job, alive: bool) -> Found:
    made = root / job.made(record.figure_format)
    if (made / SIGNATURE if made.suffix == ".zarr" else made).exists():
        return Found(job, "done")
    log = root / "logs" / job.rule / f"{job.name}.log" if job.name else root / "logs" / f"{job.rule}.log"
    if not log.exists():
        return Found(job, "missing")
    place, text = str(log.relative_to(root)), tail(log)
    if any(mark in text for mark in ERRORS):
        return Found(job, "failed", text.strip().splitlines()[-1], place)
    if alive and log.stat().st_mtime >= _begun(record):
        return Found(job, "running", log=place)
    return Found(job, "stopped", NO_WORD, place)


def _begun(record: RunRecord) -> float:
    return datetime.fromisoformat(record.started).timestamp()


def _without_results(
    root: Path, record: RunRecord, found: Iterable[Found]
) -> tuple[tuple[Unregistered, ...], tuple[str, ...]]:
    """What the finished stores lack, by reason, the earliest stage first; and stores that are damaged."""
    lacking: dict[tuple[str, str], Unregistered] = {}
    damaged = []
    for one in found:
        if one.state != "done" or one.job.rule not in _REASONED:
            continue
        try:
            reasons = read_store_record(root / one.job.made(record.figure_format))["reasons"]
        except (StoreError, KeyError) as error:
            damaged.append(str(error))
            continue
        for name, (state, reason) in reasons.items():
            entry = lacking.setdefault((state, reason), Unregistered(state, reason, one.job.rule))
            if one.job.rule == entry.stage:
                entry.names.add(name)
            if one.job.rule in ("fit", "register"):
                entry.methods.add(one.job.name.partition("/")[0])
    return tuple(lacking.values()), tuple(damaged)


def _damaged(root: Path, record: RunRecord, found: Iterable[Found]) -> Iterator[str]:
    for one in found:
        made = root / one.job.made(record.figure_format)
        if one.state == "done" and made.suffix == ".zarr":
            try:
                verify(made)
            except StoreError as error:
                yield str(error)
