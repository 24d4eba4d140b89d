"""Workers killed in the midst of their work a hundred times and more, and Snakemake itself: nothing is lost.

Minutes on one core: `make soak`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from forked_stages import StageCommand, check_whole, commands, kill_after, remove, run
from test_killed import TARGETS, finish_and_compare
from tiny_benchmark import TIMEOUT_S, Benchmark

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]

KILLS = 5
"""Kills of each job, at moments drawn between its start and its end."""
MOST_TRIES = 30


def undisturbed(benchmark: Benchmark, results: Path, log: Path) -> list[float]:
    """Run all jobs into other results; the seconds of each."""
    seconds = []
    for command in commands(benchmark, results_dir=str(results)):
        started = time.monotonic()
        assert run(command, log) == ""
        seconds.append(time.monotonic() - started)
    return seconds


def kill_and_finish(command: StageCommand, seconds: float, moment: random.Random, log: Path) -> int:
    """Kill a job again and again, then let it end; what it writes is absent or whole at every time."""
    kills = 0
    for _ in range(MOST_TRIES):
        for output in command.outputs:
            remove(output)
        kills += kill_after(command, moment.uniform(0, seconds), log)
        for output in command.outputs:
            check_whole(output)
        if kills == KILLS:
            break
    for output in command.outputs:
        remove(output)
    assert run(command, log) == ""
    return kills


def test_workers_killed_a_hundred_times_leave_no_trace(fresh: Benchmark, tmp_path: Path) -> None:
    moment, log, reference = random.Random(0), tmp_path / "job.log", tmp_path / "undisturbed"
    seconds = undisturbed(fresh, reference, log)
    kills: Counter[str] = Counter()
    for command, length in zip(commands(fresh), seconds, strict=True):
        kills[command.stage] += kill_and_finish(command, length, moment, log)
    sys.stdout.write(f"\n{kills.total()} kills: {dict(kills)}\n")
    assert kills.total() >= 100
    assert min(kills.values()) >= 1, "a listing lasts so short that most of its kills come too late"
    for name in TARGETS:
        assert (fresh.results / name).read_bytes() == (reference / name).read_bytes(), name
    pictures = [one.relative_to(reference) for one in (reference / "figures").rglob("*.png")]
    costly = {Path("figures/time.png"), Path("figures/hours.png")}
    for name in set(pictures) - costly:
        assert (fresh.results / name).read_bytes() == (reference / name).read_bytes(), name
    assert fresh.temporary_files() == []


def snakemake(benchmark: Benchmark) -> subprocess.Popen[bytes]:
    """Start a run that makes the tables."""
    return subprocess.Popen(
        benchmark.command(str(benchmark.results / TARGETS[0])),
        cwd=benchmark.folder,
        env=benchmark.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The stages that a run has at work."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return [
            one for one in below if "stage" in one.cmdline() and "promptreg" in " ".join(one.cmdline()[:2])
        ]
    except psutil.Error:
        return []


def test_workers_killed_under_a_run_are_made_up_for_by_the_next(
    fresh: Benchmark, finished: Benchmark
) -> None:
    moment, kills = random.Random(1), 0
    for _ in range(3):
        process, deadline = snakemake(fresh), time.monotonic() + TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(moment.uniform(1, 12))
            if kills < 6 and (found := workers(process)):
                moment.choice(found).kill()
                kills += 1
        if process.returncode == 0:
            break
    assert kills >= 3
    finish_and_compare(fresh, finished)


def test_a_run_goes_on_at_once_when_snakemake_alone_was_killed_and_its_workers_live_on(
    fresh: Benchmark, finished: Benchmark
) -> None:
    orphaned = 0
    for _ in range(4):
        process, deadline = snakemake(fresh), time.monotonic() + TIMEOUT_S
        while process.poll() is None and not workers(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(random.Random(orphaned).uniform(0, 4))
        left = workers(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        orphaned += any(one.is_running() for one in left)
    assert orphaned >= 2
    finish_and_compare(fresh, finished)
