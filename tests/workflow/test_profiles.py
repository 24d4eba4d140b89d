"""The profiles: read by Snakemake, found by name, and what jobs ask a cluster for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
import yte
from snakemake.cli import get_argument_parser
from snakemake_executor_plugin_slurm.partitions import read_partition_file
from tiny_benchmark import ROOT, Benchmark

PROFILES = ("default", "slurm", "kubernetes", "ci")
FOLDER = ROOT / "workflow/profiles"
GPU_RULES = {"embed", "search", "fit", "train", "learn", "register"}


def profile(name: str) -> dict[str, Any]:
    """A profile as Snakemake reads it."""
    found = yte.process_yaml((FOLDER / name / "config.yaml").read_text(), require_use_yte=True)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def asked() -> dict[str, list[dict[str, int]]]:
    """What a job of every rule asks for, by attempt."""
    finished = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("rule_resources.py")), str(ROOT / "Snakefile")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, list[dict[str, int]]] = json.loads(finished.stdout)
    found.pop("all")
    return found


def test_all_profiles_are_there_and_no_other() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/config.yaml")} == set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_every_key_of_a_profile_is_an_option_of_snakemake(name: str) -> None:
    known = set(get_argument_parser()._option_string_actions)
    unknown = {key for key in profile(name) if f"--{key}" not in known}
    assert {key for key in unknown if not key.startswith("kubernetes-")} == set()


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_goes_on_where_a_killed_run_was(name: str) -> None:
    found = profile(name)
    assert found["rerun-incomplete"] is True
    assert set(found["rerun-triggers"]) == {"mtime", "params", "input", "code"}
    assert found["show-failed-logs"] is True


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_cluster_is_waited_for_and_a_failed_job_tried_again(name: str) -> None:
    found = profile(name)
    assert found["executor"] == name
    assert found["retries"] == 2
    assert found["latency-wait"] >= 30
    assert found["keep-going"] is True


@pytest.mark.parametrize("given", ["ci", "profiles/ci"])
def test_a_profile_is_found_by_its_name_and_by_its_path(fresh: Benchmark, given: str) -> None:
    said = fresh.complete("--dry-run", "--quiet", "rules", "--workflow-profile", given)
    assert "Using workflow specific profile profiles/ci" in said


def test_only_jobs_of_rules_that_can_use_a_gpu_ask_for_one(asked: dict[str, list[dict[str, int]]]) -> None:
    assert {rule for rule, attempts in asked.items() if attempts[0].get("gpu") == 1} == GPU_RULES
    assert all("gpu" not in attempts[0] for rule, attempts in asked.items() if rule not in GPU_RULES)


def test_memory_doubles_with_each_attempt_and_time_does_to_a_week(
    asked: dict[str, list[dict[str, int]]],
) -> None:
    for rule, attempts in asked.items():
        memory = [one["mem_mb"] for one in attempts]
        assert memory == [memory[0], 2 * memory[0], 4 * memory[0]], rule
        time = [one["runtime"] for one in attempts]
        assert time[1:] == [2 * time[0], min(4 * time[0], 7 * 24 * 60)], rule


def test_every_rule_says_how_many_cpus_it_uses() -> None:
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            assert re.search(r"^    threads: \S+", rule, flags=re.MULTILINE), f"{path.name}: {rule[:30]}"


@pytest.mark.parametrize(("gpus", "partition"), [(0, "cpu"), (1, "gpu")])
def test_a_job_goes_to_the_partition_that_has_what_it_asks_for(gpus: int, partition: str) -> None:
    job = SimpleNamespace(resources={"gpu": gpus, "mem_mb": 8000, "runtime": 240}, threads=1)
    fits = {one.name: one.score_job_fit(job) for one in read_partition_file(FOLDER / "slurm/partitions.yaml")}
    able = {name: fit for name, fit in fits.items() if fit is not None}
    assert max(able, key=lambda name: able[name]) == partition


def test_jobs_that_are_grouped_are_rules_of_the_workflow(asked: dict[str, list[dict[str, int]]]) -> None:
    assert set(profile("slurm")["groups"]) <= set(asked)


@pytest.mark.parametrize(("devices", "most"), [([], 10000), (["nvidia0", "nvidia1"], 1)])
def test_a_machine_runs_one_job_on_its_gpus_at_a_time_and_without_any_as_many_as_it_has_cores(
    tmp_path: Path, devices: list[str], most: int
) -> None:
    for name in (*devices, "nvidiactl"):
        (tmp_path / name).touch()
    text = (FOLDER / "default/config.yaml").read_text().replace("/dev/", f"{tmp_path}/")
    assert yte.process_yaml(text, require_use_yte=True)["resources"]["gpu"] == most


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="no Slurm on this machine: sbatch is absent")
def test_a_dry_run_plans_for_slurm(fresh: Benchmark) -> None:
    assert "report" in fresh.complete("--dry-run", "--quiet", "rules", "--workflow-profile", "slurm")


def test_the_profile_for_kubernetes_names_the_volume_that_results_go_to() -> None:
    found = yaml.safe_load((FOLDER / "kubernetes/config.yaml").read_text())
    volumes = dict(one.split(":") for one in found["kubernetes-persistent-volumes"])
    assert any(found["default-storage-prefix"].startswith(path) for path in volumes.values())
