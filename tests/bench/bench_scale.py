"""What the workflow costs before any work is done: time, memory and files at 1k, 10k and 100k pairs.

Stages are stubs: their outputs are made without them, and Snakemake records them as finished. Each
measurement is a process of its own, in CPU seconds (user and system) and peak resident memory.

    python -m pytest -m bench -s tests/bench/bench_scale.py
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from promptreg.jobs import Job, all_jobs
from promptreg.plan import Plan
from promptreg.provenance import Signature
from promptreg.runrecord import write_record
from promptreg.store import create

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((1_000, 10), (10_000, 10), (10_000, 100), (100_000, 100))
"""Pairs, and pairs in a shard."""
METHODS = ("identity", "promptreg")
FIRST_JOB_S = 60
"""A run that is 99 % done starts its first job before."""
FILES_A_JOB = 7
"""Most inodes of a job: a store's folder, archive, signature and time stamp, a log, a benchmark, a record."""

PRETEND = """
import pathlib, shutil, sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

def pretend(scheduler):
    for level in scheduler.workflow.dag.toposorted():
        for job in level:
            make(job)
            scheduler.workflow.async_run(scheduler.workflow.persistence.finished(job))
    return True

def make(job):
    for file in map(pathlib.Path, job.output):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".zarr":
            shutil.copytree("template.zarr", file)
        elif file.suffix:
            file.touch()
        else:
            file.mkdir()
    for file in job.output:
        file.touch()

JobScheduler.schedule = pretend
main(sys.argv[1:])
"""
"""Snakemake that makes stubs in the place of jobs, and records them as what jobs have made."""
SPENT = (
    "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    "2.5\t0:00:02\t210.5\t900.1\t180.2\t190.3\t0.5\t1.5\t95.1\t2.4\n"
)
ENDED = "promptreg: stage took 2.5 s on cpu\n"
Row = dict[str, float]


@dataclass(frozen=True)
class Measured:
    """One process: CPU and wall seconds, peak memory in MB, and what it said."""

    cpu_s: float
    wall_s: float
    memory_mb: float
    said: str

    def row(self, name: str) -> Row:
        """The numbers, named for a table."""
        return {f"{name}_cpu_s": self.cpu_s, f"{name}_wall_s": self.wall_s, f"{name}_mb": self.memory_mb}


class Scaled:
    """A benchmark of many pairs whose images do not exist."""

    def __init__(self, folder: Path, pairs: int, shard_size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        rows = "".join(f"p{n},m{n}.png,f{n}.png,2,group {n % 5}\n" for n in range(pairs))
        (folder / "pairs.csv").write_text(f"pair_id,moving,fixed,dimension,application\n{rows}")
        for name in ("config", "profiles"):
            (folder / name).symlink_to(ROOT / name)
        self.config = {
            "manifest": str(folder / "pairs.csv"),
            "results_dir": str(folder / "results"),
            "shard_size": shard_size,
            "datasets": [{"name": "d", "reader": "manifest"}],
            "methods": list(METHODS),
        }
        (folder / "scaled.json").write_text(json.dumps(self.config))
        self.results = folder / "results"
        self.plan = Plan(self.config)
        self.jobs = all_jobs(self.plan)

    def workflow(self, *arguments: str, code: tuple[str, ...] = ("-m", "snakemake")) -> list[str]:
        """The command line of Snakemake; with other `code`, of that."""
        fixed = ("--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--nocolor")
        return [sys.executable, *code, *fixed, "--configfile", "scaled.json", *arguments]

    def measure(self, command: list[str]) -> Measured:
        """Run a command to its end and measure it; an error of it is one of the bench."""
        log = self.folder / "log.txt"
        started = time.monotonic()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=stream, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = log.read_text()
        assert process.returncode == 0, said[-3000:]
        cpu = used.ru_utime + used.ru_stime
        return Measured(cpu, time.monotonic() - started, used.ru_maxrss / 1024, said)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all processes: this code, one thread."""
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def pretend_all_done(self) -> None:
        """Have Snakemake make every output as a stub, with a log and a benchmark."""
        self._store(self.folder / "template.zarr")
        self.measure(self.workflow("--touch", "--quiet", "all", code=("-c", PRETEND)))
        for job in self.jobs:
            self._leave_traces(job)
        write_record(self.plan, self.config)

    def _store(self, path: Path) -> None:
        """Write a store with as many groups as a shard has pairs."""
        with create(path, Signature("stub", {})) as writer:
            for number in range(self.plan.config.shard_size):
                writer.put(f"p{number}", {"values": (("x",), np.zeros(4, np.float32))})

    def _leave_traces(self, job: Job) -> None:
        """Write what Snakemake and the stage write of a job beside its result."""
        for kind, suffix, text in (("logs", "log", ENDED), ("benchmarks", "tsv", SPENT)):
            file = self.results / kind / job.rule / f"{job.name}.{suffix}"
            file = file if job.name else self.results / kind / f"{job.rule}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def first_job(self) -> tuple[float, float]:
        """Start a run for real and stop it when its first job begins; CPU and wall seconds until then."""
        started = time.monotonic()
        process = subprocess.Popen(
            self.workflow(),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if re.match(r"Job \d+: ", line):
                break
        used = psutil.Process(process.pid).cpu_times()
        wall = time.monotonic() - started
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert re.match(r"Job \d+: ", said[-1]), "".join(said)[-3000:]
        return used.user + used.system, wall

    def undo_a_hundredth(self) -> None:
        """Remove what the last hundredth of the shards has of fields and measures, and their sum."""
        for name in ("metrics", "timings"):
            (self.results / f"{name}.parquet").unlink()
        for method in METHODS:
            listed = sorted((self.results / f"ddf/{method}/d").iterdir())
            for store in listed[-max(1, len(listed) // 100) :]:
                shutil.rmtree(store)
                (self.results / f"metrics/{method}/d/{store.stem}.parquet").unlink()


def n_files(folder: Path) -> int:
    """Files and folders below a folder."""
    return sum(1 for _ in folder.rglob("*"))


def measure(folder: Path, pairs: int, shard_size: int) -> Row:
    """Measure one size."""
    scaled = Scaled(folder / f"{pairs}-{shard_size}", pairs, shard_size)
    promptreg = [sys.executable, "-m", "promptreg.cli"]
    row: Row = {"pairs": pairs, "shard_size": shard_size, "jobs": len(scaled.jobs)}
    row |= scaled.measure([*promptreg, "plan", "--configfile", "scaled.json"]).row("plan")
    row |= scaled.measure(scaled.workflow("--dry-run", "--quiet", "rules")).row("dry")
    one = f"{scaled.results}/images/d/000.zarr"
    row |= scaled.measure(scaled.workflow("--quiet", "rules", "--dry-run", one)).row("one_job")
    scaled.pretend_all_done()
    idle = scaled.measure(scaled.workflow())
    assert "Nothing to be done" in idle.said
    row |= idle.row("idle")
    row |= scaled.measure([*promptreg, "status", str(scaled.results)]).row("status")
    row |= {"snakemake_files": n_files(scaled.folder / ".snakemake"), "result_files": n_files(scaled.results)}
    scaled.undo_a_hundredth()
    row["first_job_cpu_s"], row["first_job_wall_s"] = scaled.first_job()
    shutil.rmtree(scaled.folder)
    return row


@pytest.mark.bench
@pytest.mark.timeout(6 * 3600)
def bench_scale(tmp_path: Path) -> None:
    """Print the measurements; fail where the cost of a job grows with their number, or a run starts late."""
    rows = []
    for pairs, shard_size in SIZES:
        rows.append(measure(tmp_path, pairs, shard_size))
        sys.stdout.write(f"\n{json.dumps(rows[-1])}\n")
        assert rows[-1]["snakemake_files"] + rows[-1]["result_files"] < FILES_A_JOB * rows[-1]["jobs"] + 500
    small, middle = rows[0], rows[1]
    for name in ("plan_cpu_s", "dry_cpu_s", "idle_cpu_s", "status_cpu_s"):
        assert middle[name] / middle["jobs"] < 1.5 * small[name] / small["jobs"], name
    assert middle["first_job_cpu_s"] < FIRST_JOB_S
