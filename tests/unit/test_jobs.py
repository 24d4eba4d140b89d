import json

import PIL.Image
import pytest

from promptreg import layout
from promptreg.jobs import FIGURES, MADE, ONCE, Job, all_jobs
from promptreg.plan import Plan

SMALL = {
    "methods": ["identity", "promptreg"],
    "datasets": [{"name": "d"}],
    "shard_size": 2,
    "embed": {"views": {"count": 4, "block": 2}},
    "figures": {"gallery": 1},
}


@pytest.fixture
def planned(tmp_path):
    """A function that plans five pairs of one fixed image with changes to the configuration."""
    rows = ["pair_id,moving,fixed,dimension"]
    for number in range(5):
        PIL.Image.new("L", (4, 4)).save(tmp_path / f"m{number}.png")
        rows.append(f"p{number},m{number}.png,m0.png,2")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    return lambda **changes: Plan({**SMALL, "manifest": str(tmp_path / "pairs.csv"), **changes})


def names(jobs, rule):
    return [one.name for one in jobs if one.rule == rule]


def test_every_job_is_listed_once_in_the_order_of_the_data(planned):
    jobs = all_jobs(planned())
    assert len(set(jobs)) == len(jobs) == len({(one.rule, one.name) for one in jobs})
    rules = list(dict.fromkeys(one.rule for one in jobs))
    assert rules == [rule for rule in MADE if rule in rules]


def test_jobs_follow_shards_methods_and_blocks_of_views(planned):
    jobs = all_jobs(planned())
    assert names(jobs, "pairs") == ["d/000", "d/001", "d/002"]
    assert names(jobs, "images") == ["d/000", "d/001", "d/002"]
    assert names(jobs, "search") == [f"promptreg/d/00{n}" for n in range(3)]
    assert names(jobs, "register") == [f"identity/d/00{n}" for n in range(3)]
    assert len(names(jobs, "evaluate")) == 6
    assert "blend/d/000/random-2" in names(jobs, "embed")
    assert names(jobs, "figure") == list(FIGURES)
    assert all(names(jobs, rule) == [""] for rule in ONCE)


def test_the_last_shard_counts_the_pairs_that_it_has(planned):
    items = {(one.rule, one.name): one.items for one in all_jobs(planned())}
    assert [items["pairs", f"d/00{n}"] for n in range(3)] == [2, 2, 1]
    assert items["embed", "blend/d/000/identity"] == 2
    assert items["embed", "blend/d/000/random-1"] == 4


def test_a_method_that_cannot_run_is_only_measured(planned, monkeypatch):
    monkeypatch.setattr(layout.Layout, "unavailable", lambda self, method: "no" * (method == "promptreg"))
    jobs = all_jobs(planned())
    assert not {"embed", "search", "marginalize", "fit"} & {one.rule for one in jobs}
    assert len(names(jobs, "evaluate")) == 6


def test_a_job_makes_what_the_layout_asks_for(planned):
    plan = planned()
    made = {one.made("svg") for one in all_jobs(plan)}
    asked = [*plan.evaluate_inputs("promptreg", "d", "000"), *plan.embeddings("promptreg", "d", "000")]
    assert {one.removeprefix("results/") for one in asked} <= made
    assert Job("figure", "ranks").made("svg") == "figures/ranks.svg"


def test_training_and_environments_come_once_a_data_set_and_a_tool(planned):
    jobs = all_jobs(planned(methods=["ants_syn", "voxelmorph"]))
    assert names(jobs, "learn") == ["voxelmorph/d"]
    assert names(jobs, "environment") == ["ants"]
    assert json.dumps([one.__dict__ for one in jobs])
