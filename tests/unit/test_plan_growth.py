"""Planning is linear in the number of pairs, and jobs are as many as shards."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import promptreg
from promptreg.jobs import all_jobs
from promptreg.plan import Plan
from promptreg.settings import ConfigError

PACKAGE = str(Path(promptreg.__file__).parent)
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"methods": ["identity", "promptreg"]},
    "on the test alone": {
        "methods": ["identity", "promptreg"],
        "train": {"test_only": True, "test_share": 0.5},
    },
    "in twins": {
        "methods": ["identity"],
        "datasets": [{"name": "d", "misalign": {}, "limit": 10_000}],
    },
}


def make_plan(folder: Path, pairs: int, shard_size: int, config: dict[str, Any]) -> Plan:
    """The plan of pairs whose images do not exist; each is of two subjects of its own."""
    rows = "".join(f"p{n},m{n}.png,f{n}.png,2,a{n % 3},m{n},f{n}\n" for n in range(pairs))
    table = folder / f"{pairs}.csv"
    columns = "pair_id,moving,fixed,dimension,application,moving_subject,fixed_subject"
    table.write_text(f"{columns}\n{rows}")
    fixed = {"manifest": str(table), "datasets": [{"name": "d"}], "shard_size": shard_size}
    return Plan({**fixed, **config})


def ask_all(plan: Plan) -> None:
    """Ask what Snakemake asks: which files there are, and for each job what it reads and depends on."""
    plan.check()
    plan.targets()
    assert plan.measures
    assert plan.pair_stores
    for job in all_jobs(plan):
        parts = job.name.split("/")
        if job.rule == "images":
            plan.images_job(*parts)
        elif job.rule == "pairs":
            plan.pairs_job(*parts)
            plan.shard_images(*parts)
        elif job.rule == "embed":
            plan.embed_job(*parts)
        elif job.rule == "search":
            plan.search_job(*parts)
            plan.embeddings(*parts)
        elif job.rule == "register":
            plan.baseline_job(*parts)
        elif job.rule == "evaluate":
            plan.evaluate_job(*parts[:2])
            plan.evaluate_inputs(*parts)
        elif job.rule == "gallery":
            plan.gallery_job(*parts)
            plan.gallery_inputs(*parts)
        elif job.rule == "extremes":
            plan.extremes_inputs(*parts)


def steps(plan: Plan) -> int:
    """Instructions of this package that the interpreter carries out for a plan; the same in every run."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask_all(plan)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", CONFIGS)
def test_four_times_the_pairs_take_four_times_the_steps(tmp_path: Path, name: str) -> None:
    ask_all(make_plan(tmp_path, 10, 5, CONFIGS[name]))
    few, many = (steps(make_plan(tmp_path, pairs, 5, CONFIGS[name])) for pairs in (100, 400))
    assert many < 4.4 * few


def test_a_quadratic_step_would_be_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = Plan.pairs_job

    def slow(plan: Plan, dataset: str, shard: str) -> str:
        assert plan.compared(dataset)
        return once(plan, dataset, shard)

    monkeypatch.setattr(Plan, "pairs_job", slow)
    config = CONFIGS["on the test alone"]
    ask_all(make_plan(tmp_path, 10, 5, config))
    few, many = (steps(make_plan(tmp_path, pairs, 5, config)) for pairs in (100, 400))
    assert many > 5 * few


def test_more_pairs_in_a_shard_make_no_more_jobs(tmp_path: Path) -> None:
    config = CONFIGS["plain"] | {"figures": {"gallery": 2}}
    few, many = (
        Counter(one.rule for one in all_jobs(make_plan(tmp_path, 4 * size, size, config))) for size in (3, 60)
    )
    assert few == many


def test_more_shards_than_a_command_line_names_are_refused_before_anything_runs(tmp_path: Path) -> None:
    config = {"methods": ["identity", "affine"], "results_dir": "r" * 200}
    make_plan(tmp_path, 1_000, 1, config).check()
    with pytest.raises(ConfigError, match=r"'extremes of d' would read 15000 files, .* set it above 1"):
        make_plan(tmp_path, 3_000, 1, config).check()
    make_plan(tmp_path, 3_000, 4, config).check()
