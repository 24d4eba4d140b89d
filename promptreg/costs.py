"""What finished jobs have cost: time, memory and GPU, from Snakemake's benchmark files and the logs.

Imports no torch.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 4096
_TOOK = re.compile(r"took [\d.]+ s on (\w+)$", re.MULTILINE)
"""The last words of a stage in its log; `promptreg.cli` writes them."""


@dataclass(frozen=True)
class Cost:
    """What one job has cost: wall and CPU seconds, peak resident memory in MB, whether it used a GPU.

    `ended` is in seconds since 1970. A number that was not measured, as in a job of a moment, is 0.
    """

    rule: str
    name: str
    seconds: float
    cpu_seconds: float
    memory_mb: float
    gpu: bool
    ended: float


@dataclass(frozen=True)
class RuleCost:
    """What all jobs of one rule have cost together; hours, and the largest memory in MB."""

    rule: str
    jobs: int
    hours: float
    cpu_hours: float
    gpu_hours: float
    memory_mb: float


def read_costs(root: str | Path) -> list[Cost]:
    """Return the costs of all jobs below a folder of results that have a benchmark file, in path order."""
    folder = Path(root) / "benchmarks"
    found = []
    for file in sorted(folder.rglob("*.tsv")):
        rule, _, name = file.relative_to(folder).as_posix().removesuffix(".tsv").partition("/")
        row = _row(file)
        if row is not None:
            log = Path(root) / "logs" / rule / f"{name}.log" if name else Path(root) / f"logs/{rule}.log"
            seconds, cpu, memory = (_number(row.get(key)) for key in ("s", "cpu_time", "max_rss"))
            ended = file.stat().st_mtime
            found.append(Cost(rule, name, seconds, cpu, memory, used_gpu(tail(log)), ended))
    return found


def by_rule(costs: Iterable[Cost]) -> list[RuleCost]:
    """Sum over the jobs of each rule, in the order in which rules first appear."""
    parts: dict[str, list[Cost]] = {}
    for one in costs:
        parts.setdefault(one.rule, []).append(one)
    return [
        RuleCost(
            rule,
            len(jobs),
            sum(one.seconds for one in jobs) / 3600,
            sum(one.cpu_seconds for one in jobs) / 3600,
            sum(one.seconds for one in jobs if one.gpu) / 3600,
            max(one.memory_mb for one in jobs),
        )
        for rule, jobs in parts.items()
    ]


def tail(log: Path) -> str:
    """Return the last part of a log; empty where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def used_gpu(log: str) -> bool:
    """Whether the stage that wrote a log says that it ran on a GPU."""
    found = _TOOK.findall(log)
    return bool(found) and found[-1] != "cpu"


def _row(file: Path) -> dict[str, str] | None:
    """The one row of a benchmark file; None where it is empty, as a full disk leaves it."""
    with file.open(newline="") as stream:
        return next(csv.DictReader(stream, delimiter="\t"), None)


def _number(text: str | None) -> float:
    """A number of a benchmark file, which writes NA where it has measured nothing."""
    try:
        value = float(text or "")
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
