"""A run that is killed, processes and all, goes on where it was and ends in the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from tiny_benchmark import TIMEOUT_S, Benchmark

TARGETS = ("tables/table1.csv", "tables/table1.md", "tables/table1.tex", "metrics.parquet")


def kill_after(benchmark: Benchmark, n_logs: int, delay_s: float) -> bool:
    """Start a run and kill its process group `delay_s` after it began `n_logs` further jobs.

    Return whether it was still alive then. Jobs are counted by their logs, so that fast and slow machines
    are hit at like places.
    """
    wanted = len(logs(benchmark)) + n_logs
    process = subprocess.Popen(
        benchmark.command(str(benchmark.results / TARGETS[0])),
        cwd=benchmark.folder,
        env=benchmark.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and len(logs(benchmark)) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(delay_s)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def logs(benchmark: Benchmark) -> list[object]:
    """Logs of all jobs that have begun."""
    return list((benchmark.results / "logs").rglob("*.log"))


def finish_and_compare(benchmark: Benchmark, reference: Benchmark) -> None:
    """Run to the end and compare every table and measure with those of a run that was never killed."""
    benchmark.complete(str(benchmark.results / TARGETS[0]))
    for name in TARGETS:
        found, expected = ((one.results / name).read_bytes() for one in (benchmark, reference))
        assert found == expected, name
    assert benchmark.temporary_files() == []


def test_a_killed_run_ends_in_the_same_bytes(fresh: Benchmark, finished: Benchmark) -> None:
    moment = random.Random(0)
    assert kill_after(fresh, moment.randint(2, 8), moment.uniform(0, 3))
    assert list((fresh.folder / ".snakemake/locks").glob("*.lock"))
    finish_and_compare(fresh, finished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(
    fresh: Benchmark, finished: Benchmark, seed: int
) -> None:
    moment = random.Random(seed)
    kills = [kill_after(fresh, moment.randint(1, 5), moment.uniform(0, 4)) for _ in range(4)]
    assert any(kills)
    finish_and_compare(fresh, finished)
