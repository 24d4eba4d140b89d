"""What a run will take, before it runs: jobs by rule, storage, hours, from what finished jobs have taken.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptreg.costs import read_costs
from promptreg.jobs import Job
from promptreg.runrecord import read_record

Key = tuple[str, str]
"""A rule and the first part of a job's name: the method, variant, encoder or data set."""


@dataclass(frozen=True)
class Rate:
    """What an item of a job has taken on average: seconds, and bytes of storage."""

    cpu_seconds: float
    gpu_seconds: float
    n_bytes: float


@dataclass(frozen=True)
class Forecast:
    """The jobs of one rule: all, those to do, and what these will take.

    `measured` says after what: "method" (the same rule and method, or data set), "rule" (the same rule
    alone, for some at least), or "" where no job of the rule has been measured; then hours and bytes are 0.
    """

    rule: str
    jobs: int
    to_do: int
    cpu_hours: float
    gpu_hours: float
    n_bytes: float
    measured: str


def rates(root: str | Path) -> dict[Key, Rate]:
    """Measure the finished jobs of a folder of results, by rule and first name and by rule alone.

    CPU seconds are wall seconds where a job ran too short to be measured.
    """
    root, record = Path(root), read_record(root)
    jobs = {(one.rule, one.name): one for one in record.jobs}
    sums: dict[Key, list[float]] = {}
    for cost in read_costs(root):
        job = jobs.get((cost.rule, cost.name))
        if job is None or not job.items:
            continue
        n_bytes = size_of(root / job.made(record.figure_format))
        taken = (cost.cpu_seconds or cost.seconds, cost.seconds * cost.gpu, n_bytes, job.items)
        for key in (key_of(job), (job.rule, "")):
            sums[key] = [a + b for a, b in zip(sums.get(key, [0.0] * 4), taken, strict=True)]
    return {key: Rate(cpu / n, gpu / n, size / n) for key, (cpu, gpu, size, n) in sums.items()}


def forecast(jobs: Iterable[Job], done: Iterable[Job], known: Mapping[Key, Rate]) -> list[Forecast]:
    """Multiply the items of all jobs that are not done with the rates of their kind, by rule."""
    finished = set(done)
    parts: dict[str, list[Job]] = {}
    for one in jobs:
        parts.setdefault(one.rule, []).append(one)
    return [_of_rule(rule, listed, finished, known) for rule, listed in parts.items()]


def key_of(job: Job) -> Key:
    """The rule and first name of a job."""
    return job.rule, job.name.partition("/")[0]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is none."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0


def _of_rule(rule: str, jobs: list[Job], finished: set[Job], known: Mapping[Key, Rate]) -> Forecast:
    left = [one for one in jobs if one not in finished]
    cpu = gpu = n_bytes = 0.0
    closely = True
    for one in left:
        closely &= key_of(one) in known
        rate = known.get(key_of(one)) or known.get((rule, "")) or Rate(0.0, 0.0, 0.0)
        cpu += rate.cpu_seconds * one.items
        gpu += rate.gpu_seconds * one.items
        n_bytes += rate.n_bytes * one.items
    measured = ("method" if closely else "rule") if (rule, "") in known else ""
    return Forecast(rule, len(jobs), len(left), cpu / 3600, gpu / 3600, n_bytes, measured)
