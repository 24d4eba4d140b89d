"""The benchmark under a real Slurm: what jobs ask for, and that no fault changes a byte of its results."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster import GPU_NODES, Cluster
from tiny_benchmark import Benchmark, tiny_pairs

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1500)]

SETTINGS: dict[str, Any] = {
    "datasets": [{"name": "tiny", "reader": "manifest"}],
    "methods": ["identity", "promptreg"],
    "shard_size": 3,
    "embed": {"model": "weightfree", "views": {"count": 1}},
    "search": {"prompts": {"count": 3}},
    "fit": {"max_cells": 24, "levels": 1, "iterations": 5},
}
PROFILE = (
    *("--workflow-profile", "slurm", "--slurm-status-command", "squeue", "--slurm-no-account"),
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5", "--jobs", "8"),
)
LITTLE_MEMORY = "embed:mem_mb=350 * 10 ** (attempt - 1)"
LITTLE_TIME = "fit:runtime=60 ** (attempt - 1)"
COMPARED = (
    "metrics.parquet",
    *(f"tables/{name}.csv" for name in ("table1", "statistics", "ranking", "per_pair")),
)
GPU_JOBS = {"embed": 2, "search": 1, "fit": 1}
"""How many jobs a rule has that can use a GPU: images are embedded as they are in one, turned in another."""

PATIENCE_S = 600


class OnSlurm(Benchmark):
    """A tiny benchmark whose jobs go to a cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder, tiny_pairs(folder), SETTINGS)
        self.cluster = cluster

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run on the cluster."""
        ours = {key: self.cluster.environment[key] for key in ("PATH", "SLURM_CONF")}
        return {**super().environment, **ours}

    @property
    def tables(self) -> str:
        """What is asked for: all tables, no pictures."""
        return str(self.results / "tables/table1.csv")

    def begin(self, log: Path, *options: str) -> subprocess.Popen[bytes]:
        """Start a run that makes the tables."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                self.command(*PROFILE, *options, "--", self.tables),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )


@dataclass
class Ran:
    """A run that has ended: what Slurm knows of its jobs in order of submission."""

    benchmark: Benchmark
    jobs: list[dict[str, str]]
    said: str = ""

    def of(self, rule: str) -> list[dict[str, str]]:
        """The jobs of a rule, or of the group that it begins."""
        return [job for job in self.jobs if job["Comment"].startswith(f"rule_{rule}_")]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """The benchmark after a run without a cluster."""
    folder = tmp_path_factory.mktemp("local")
    benchmark = Benchmark(folder, tiny_pairs(folder), SETTINGS)
    benchmark.complete(str(benchmark.results / "tables/table1.csv"))
    return benchmark


def jobs_of(benchmark: Benchmark, cluster: Cluster) -> list[dict[str, str]]:
    """The jobs of a benchmark, ended ones too."""
    return [job for job in cluster.jobs() if job["WorkDir"] == str(benchmark.folder)]


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run on the cluster in which nothing goes wrong."""
    benchmark = OnSlurm(tmp_path_factory.mktemp("undisturbed"), cluster)
    said = benchmark.complete(*PROFILE, "--", benchmark.tables)
    return Ran(benchmark, jobs_of(benchmark, cluster), said)


@pytest.fixture(scope="module")
def disturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run on the cluster in which one thing after the other goes wrong, and one that ends it.

    Snakemake is killed while images are embedded, and started again while that job still runs. Embedding then
    runs out of memory, the node of the search is lost, fitting hangs until its time is over while the
    controller is restarted, and the measuring of its fields is cancelled.
    """
    benchmark = OnSlurm(tmp_path_factory.mktemp("disturbed"), cluster)
    log = benchmark.folder / "said.log"
    results = benchmark.results
    first = benchmark.begin(log)
    wait(first, log, lambda: cluster.busy_with(f"{results}/embeddings/"))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()

    second = benchmark.begin(log, "--set-resources", LITTLE_MEMORY, LITTLE_TIME)
    try:
        searching = wait(second, log, lambda: cluster.busy_with(f"{results}/rois/"))
        lost = next(job["NodeList"] for job in cluster.jobs() if job["JobId"] == searching)
        cluster.lose(lost)
        fitting = wait(second, log, lambda: cluster.busy_with(f"--output {results}/ddf/promptreg/"))
        for process in cluster.processes(fitting, "promptreg stage fit"):
            os.kill(process, signal.SIGSTOP)
        cluster.end("slurmctld", signal.SIGTERM)
        cluster.start_controller()
        cluster.start_node(lost)
        measuring = wait(second, log, lambda: cluster.busy_with(f"--output {results}/metrics/promptreg/"))
        cluster.call("scancel", measuring)
        second.wait(PATIENCE_S)
    finally:
        if second.poll() is None:
            os.killpg(second.pid, signal.SIGKILL)
    assert second.returncode == 0, log.read_text()[-6000:]
    return Ran(benchmark, jobs_of(benchmark, cluster), log.read_text())


def wait(run: subprocess.Popen[bytes], log: Path, found: Callable[[], str | None]) -> str:
    """Return what is found as soon as it is; an error if the run ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while run.poll() is None and time.monotonic() < deadline:
        if (one := found()) is not None:
            return one
        time.sleep(0.3)
    pytest.fail(f"the run ended, or took too long, before that happened:\n{log.read_text()[-6000:]}")


def test_the_profile_of_slurm_is_used(undisturbed: Ran) -> None:
    assert "Using workflow specific profile profiles/slurm" in undisturbed.said


@pytest.mark.parametrize("name", COMPARED)
def test_a_run_on_the_cluster_ends_in_the_bytes_of_a_local_one(
    undisturbed: Ran, local: Benchmark, name: str
) -> None:
    assert (undisturbed.benchmark.results / name).read_bytes() == (local.results / name).read_bytes()


def test_every_job_ran_once(undisturbed: Ran) -> None:
    assert [job["JobState"] for job in undisturbed.jobs] == ["COMPLETED"] * len(undisturbed.jobs)
    assert len({job["Comment"] for job in undisturbed.jobs}) == len(undisturbed.jobs) == 12


@pytest.mark.parametrize("rule", GPU_JOBS)
def test_a_job_that_can_use_a_gpu_got_one(undisturbed: Ran, rule: str) -> None:
    jobs = undisturbed.of(rule)
    assert len(jobs) == GPU_JOBS[rule]
    for job in jobs:
        assert job["TresPerJob"] == "gres:gpu:1"
        assert job["JOB_GRES"] == "gpu:fake:1"
        assert (job["Partition"], job["NodeList"][:3]) == ("gpu", "gpu")


def test_no_other_job_was_given_a_gpu(undisturbed: Ran) -> None:
    with_gpu = [job for rule in GPU_JOBS for job in undisturbed.of(rule)]
    others = [job for job in undisturbed.jobs if job not in with_gpu]
    assert len(others) == 8
    for job in others:
        assert "TresPerJob" not in job
        assert (job["Partition"], job["NodeList"][:3]) == ("cpu", "cpu")


def test_jobs_asked_for_the_memory_and_the_time_of_their_rules(undisturbed: Ran) -> None:
    asked = {
        rule: (job["MinMemoryNode"], job["TimeLimit"])
        for rule in ("images", "embed", "search", "fit")
        for job in undisturbed.of(rule)
    }
    assert asked == {
        "images": ("4000M", "01:00:00"),
        "embed": ("8000M", "02:00:00"),
        "search": ("8000M", "05:00:00"),  # with the marginalization in its group
        "fit": ("8000M", "04:00:00"),
    }


@pytest.mark.parametrize("name", COMPARED)
def test_a_disturbed_run_ends_in_the_bytes_of_an_undisturbed_one(
    disturbed: Ran, local: Benchmark, name: str
) -> None:
    assert (disturbed.benchmark.results / name).read_bytes() == (local.results / name).read_bytes()


@pytest.mark.parametrize("views", ["identity", "turned"])
def test_a_job_out_of_memory_is_tried_again_with_more(disturbed: Ran, views: str) -> None:
    # Before these two comes what the killed run submitted.
    *_, little, more = [job for job in disturbed.of("embed") if views in job["Comment"]]
    assert "exceeded memory limit" in Path(little["StdOut"]).read_text()
    assert (little["JobState"], more["JobState"]) == ("FAILED", "COMPLETED")
    assert (little["MinMemoryNode"], more["MinMemoryNode"]) == ("350M", "3500M")


def test_a_job_whose_node_is_lost_goes_back_to_the_queue_and_ends_elsewhere(disturbed: Ran) -> None:
    (job,) = disturbed.of("search")
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert job["NodeList"] in GPU_NODES


def test_a_job_that_hangs_ends_with_its_time_and_is_tried_again_with_more(disturbed: Ran) -> None:
    jobs = disturbed.of("fit")
    assert [job["JobState"] for job in jobs] == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in jobs] == ["00:01:00", "01:00:00"]


def test_a_cancelled_job_is_tried_again(disturbed: Ran) -> None:
    jobs = [job for job in disturbed.of("evaluate") if "promptreg" in job["Comment"]]
    assert [job["JobState"] for job in jobs] == ["CANCELLED", "COMPLETED"]


def test_a_lost_node_is_back_after_its_daemon_is(disturbed: Ran, cluster: Cluster) -> None:
    assert set(cluster.node_states()) == {"idle"}


def test_after_the_faults_nothing_is_left_to_do_and_nothing_half_written(disturbed: Ran) -> None:
    benchmark = disturbed.benchmark
    assert isinstance(benchmark, OnSlurm)
    assert "Nothing to be done" in benchmark.complete(*PROFILE, "--dry-run", "--", benchmark.tables)
    assert benchmark.temporary_files() == []
