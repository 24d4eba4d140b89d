"""Ablations, robustness, consistency, calibration and efficiency, from images to tables and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forked_stages import commands, run
from scipy import stats
from tiny_benchmark import SETTINGS, Benchmark, tiny_pairs

# A minute or more: every stage runs on two data sets.
pytestmark = pytest.mark.slow

ANALYSES = ("grid", "robustness", "consistency", "calibration", "efficiency")
WAYS = {"name": "ways", "reader": "manifest", "both_ways": True}
SHIFTED = {
    "name": "shifted",
    "reader": "manifest",
    "limit": 1,
    "corrupt": {"kind": "shift", "levels": [0, 0.05], "of": "fixed"},
}
CHANGES = {
    "datasets": [WAYS, SHIFTED],
    "methods": ["identity", "promptreg", "one_prompt"],
    "variants": {"one_prompt": {"marginalize": {"prompts": 1}}},
    "count_flops": True,
    "analyses": ["consistency", "calibration", "efficiency"],
    "ablations": {
        "grid": {
            "title": "Number of prompts",
            "rows": {"one_prompt": "1 prompt", "promptreg": ""},
            "factors": {"prompts": "marginalize.prompts"},
            "published": "Register Anything, Table 4 (number of prompts)",
        }
    },
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """The results of a run with every analysis, each of its jobs run once."""
    folder = tmp_path_factory.mktemp("analyses")
    benchmark = Benchmark(folder, tiny_pairs(folder), SETTINGS, checkout)
    targets = [str(benchmark.results / f"figures/{name}.png") for name in ANALYSES]
    for command in commands(benchmark, *targets, **CHANGES):
        for output in command.outputs:
            output.parent.mkdir(parents=True, exist_ok=True)
        assert run(command, folder / "log") == ""
    return benchmark.results


@pytest.fixture(scope="module")
def measures(results: Path) -> pd.DataFrame:
    """The measures of all methods, by entry."""
    frame = pd.read_parquet(results / "metrics.parquet")
    frame["entry"] = frame["variant"].mask(frame["variant"] == "", frame["method"])
    return frame


def table(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / "tables" / f"{name}.csv", keep_default_na=False, na_values=[""])


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_ends_in_a_table_and_a_figure_in_all_formats(results: Path, name: str) -> None:
    for file in (*(f"tables/{name}.{kind}" for kind in ("csv", "md", "tex")), f"figures/{name}.pdf"):
        assert (results / file).stat().st_size > 0


def test_a_grid_embeds_and_searches_once(results: Path) -> None:
    assert [one.name for one in (results / "rois").iterdir()] == ["promptreg"]
    assert {one.name for one in (results / "correspondences").iterdir()} == {"promptreg", "one_prompt"}


def test_the_means_of_a_grid_are_those_of_the_measures(results: Path, measures: pd.DataFrame) -> None:
    ours = table(results, "grid").query("not published and n > 0")
    for row in ours.itertuples():
        here = measures.query("entry == @row.entry and dataset == @row.dataset and group == @row.group")
        values = here[here["metric"] == row.metric].groupby("pair")["value"].mean()
        assert row.mean == pytest.approx(values.mean(), rel=1e-5)
    published = table(results, "grid").query("published")
    assert published[["entry", "metric", "mean"]].to_numpy().tolist() == [
        ["one_prompt", "dice", 70.07],
        ["one_prompt", "centroid_tre", 4.07],
    ]


def test_a_shift_of_known_size_is_the_error_of_doing_nothing(results: Path) -> None:
    data = table(results, "robustness").query("metric == 'landmark_tre' and entry == 'identity'")
    assert data["level"].tolist() == [0, 0.05]
    still, moved = data["mean"]
    assert moved > still + 0.5
    found = table(results, "robustness").query("metric == 'landmark_tre' and entry == 'promptreg'")
    assert found["mean"].iloc[0] < 1.0


def test_the_fields_of_doing_nothing_undo_each_other(results: Path, measures: pd.DataFrame) -> None:
    data = table(results, "consistency").query("metric == 'inverse_consistency' and n > 0")
    nothing = data.query("entry == 'identity'")["mean"]
    assert nothing.tolist() == pytest.approx([0, 0], abs=1e-3)
    found = measures.query("metric == 'inverse_consistency' and entry == 'promptreg'")
    assert sorted(found["pair"]) == ["across", "down", "left"]
    shares = measures.query("metric == 'accepted' and entry == 'one_prompt'")["value"]
    assert set(shares) <= {0.0, 100.0}


def test_rank_correlations_are_those_of_the_stored_points(results: Path) -> None:
    points = pd.concat(map(pd.read_parquet, sorted((results / "calibration").rglob("*.parquet"))))
    data = table(results, "calibration").drop_duplicates(["dataset", "group", "entry", "predictor"])
    compared = 0
    for row in data.dropna(subset="rho").itertuples():
        here = points.query("dataset == @row.dataset and group == @row.group and entry == @row.entry")
        here = here[here["predictor"] == row.predictor]
        assert row.n_points == len(here)
        assert row.rho == pytest.approx(stats.spearmanr(here["predicted"], here["error"])[0], rel=1e-4)
        compared += 1
    assert compared >= 4


def test_seconds_and_operations_are_sums_over_stages(results: Path) -> None:
    costs = pd.read_parquet(results / "timings.parquet").query("variant == 'promptreg' and group == 'blobs'")
    row = table(results, "efficiency").query("entry == 'promptreg' and group == 'blobs'").iloc[0]
    for start, column, unit in (("seconds_", "seconds", 1.0), ("flops_", "gflop", 1e9)):
        own = costs[costs["metric"].str.startswith(start)].groupby("pair")["value"].sum()
        assert row[column] == pytest.approx(np.median(own) / unit, rel=1e-4)
    assert {"flops_embed", "flops_search"} <= set(costs["metric"])
