"""What is said of a run is what Snakemake did: the same jobs, all of them done."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tiny_benchmark import Benchmark

from promptreg.jobs import MADE
from promptreg.runrecord import read_record
from promptreg.status import status


def listed(folder: Path) -> set[tuple[str, str]]:
    """Rules and names of all logs or benchmark files below a folder."""
    names = (file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.*"))
    parts = (name.partition("/") for name in names)
    return {(rule, name) for rule, _, name in parts if rule in MADE}


def test_the_jobs_that_are_recorded_are_those_that_ran(finished: Benchmark) -> None:
    recorded = {(one.rule, one.name) for one in read_record(finished.results).jobs}
    assert listed(finished.results / "logs") == recorded
    assert listed(finished.results / "benchmarks") == recorded


def test_a_finished_run_is_done_and_says_why_a_method_was_not_run(finished: Benchmark) -> None:
    found = status(finished.results, check=True)
    assert {one.state for one in found.found} == {"done"}
    assert found.damaged == ()
    assert not found.alive
    not_asked_for = {
        "fetch",
        "train",
        "learn",
        "environment",
        "analysis",
        "analysis_figure",
        "inverse",
        "calibrate",
    }
    assert {one.rule for one in found.costs} >= set(MADE) - not_asked_for - {"register"}


def test_the_jobs_of_a_plan_are_those_of_a_dry_run(fresh: Benchmark) -> None:
    methods = ["identity", "voxelmorph", "ants_syn", "promptreg", "promptreg_weightfree"]
    planned = fresh.planned(methods=methods, shard_size=2).jobs
    assert planned.pop("rulegraph") == 1
    assert fresh.counted(methods=methods, shard_size=2) == planned


def test_a_dry_run_leaves_no_record(fresh: Benchmark) -> None:
    fresh.complete("--dry-run")
    assert not fresh.results.exists()


def test_every_rule_that_ran_has_its_hours_and_memory(finished: Benchmark) -> None:
    costs = pd.read_csv(finished.results / "tables/costs.csv").set_index("rule")
    assert {"images", "pairs", "embed", "search", "marginalize", "fit", "register", "evaluate"} <= set(
        costs.index
    )
    assert costs.loc["embed", "jobs"] == 3
    assert (costs.loc[["embed", "search"], "hours"] > 0).all()
    assert (costs.loc[["embed", "search"], "memory_mb"] > 100).all()
    assert (costs["gpu_hours"] <= costs["hours"]).all()
