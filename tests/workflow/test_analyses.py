"""Ablations, robustness, consistency, calibration and efficiency, from images to tables and figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from forked_stages import commands, run
from recomputed import check
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
    targets.append(str(benchmark.results / "tables/table1.csv"))
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


def test_every_number_of_every_analysis_is_found_again(results: Path) -> None:
    assert check(results) > 500


def test_published_numbers_stand_beside_the_rows_that_are_the_same(results: Path) -> None:
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


def test_operations_of_every_stage_are_counted(results: Path) -> None:
    costs = pd.read_parquet(results / "timings.parquet").query("variant == 'promptreg'")
    assert {"flops_embed", "flops_search"} <= set(costs["metric"])
