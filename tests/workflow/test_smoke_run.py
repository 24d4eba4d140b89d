"""One whole run, from images to the report."""

from __future__ import annotations

import pandas as pd
import pytest
from recomputed import check
from tiny_benchmark import Benchmark

PRODUCTS = (
    *("metrics.parquet", "timings.parquet", "tables/table1.csv", "tables/table1.md", "tables/table1.tex"),
    *(f"tables/{name}.{kind}" for name in ("statistics", "ranking", "time") for kind in ("csv", "md", "tex")),
    *("pairs.csv", "tables/costs.csv", "tables/rank_stability.csv", "tables/per_pair.csv"),
    *("tables/published.csv", "tables/published.md", "tables/published.tex"),
    *(
        f"figures/{name}.png"
        for name in ("distributions", "ranks", "stability", "time", "hours", "rulegraph")
    ),
    *("extremes/tiny/index.csv", "extremes/tiny/000.png", "report.html"),
    *(f"figures/tiny/down/{name}.png" for name in ("methods", "prompts", "overlay", "uncertainty")),
    *("figures/ranks.pdf", "figures/tiny/down/paradigms.png", "figures/tiny/down/paradigms.pdf"),
)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_whole_run_makes_it(finished: Benchmark, product: str) -> None:
    assert (finished.results / product).stat().st_size > 0


def test_the_same_command_again_has_nothing_to_do(finished: Benchmark) -> None:
    assert "Nothing to be done" in finished.complete()


def test_nothing_temporary_is_left(finished: Benchmark) -> None:
    assert finished.temporary_files() == []


def test_every_method_that_can_run_has_measured_every_pair(finished: Benchmark) -> None:
    frame = pd.read_parquet(finished.results / "metrics.parquet")
    ran = frame[frame["variant"] != "promptreg_sam_vit_b"]
    assert set(ran["status"]) == {"ok"}
    measured = ran[ran["metric"] == "dice"].groupby(["method", "variant"])["pair"].nunique()
    assert measured.tolist() == [3, 3, 3]


def test_table_1_is_what_a_few_lines_of_pandas_find(finished: Benchmark) -> None:
    frame = pd.read_parquet(finished.results / "metrics.parquet")
    table = pd.read_csv(finished.results / "tables/table1.csv").set_index(["entry", "group", "metric"])
    frame["entry"] = frame["variant"].mask(frame["variant"] == "", frame["method"])
    wanted = frame[frame["metric"].isin(["dice", "centroid_tre", "landmark_tre"]) & frame["value"].notna()]
    pairs = wanted.groupby(["entry", "group", "metric", "pair"])["value"].mean()
    by_row = pairs.groupby(["entry", "group", "metric"])
    expected = pd.DataFrame({"mean": by_row.mean(), "sd": by_row.std(ddof=0), "n": by_row.size()})
    found = table.loc[table["n"] > 0, ["mean", "sd", "n"]].reindex(expected.index)
    assert len(expected) == 3 * 2 * 3
    assert (table["n"] > 0).sum() == len(expected)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5, atol=1e-9)


def test_every_number_of_every_table_is_found_again_from_the_measures(finished: Benchmark) -> None:
    assert check(finished.results) > 200


def test_the_known_shift_is_mostly_undone(finished: Benchmark) -> None:
    frame = pd.read_parquet(finished.results / "metrics.parquet")
    landmarks = frame[(frame["metric"] == "landmark_tre")].groupby(["method", "variant"])["value"].mean()
    assert landmarks["promptreg", "promptreg"] < 2.0


def test_a_model_without_weights_says_why_it_was_not_run(finished: Benchmark) -> None:
    lines = (finished.results / "tables/table1.md").read_text().splitlines()
    row = next(line for line in lines if r"sam\_vit\_b" in line)
    assert "not run (" in row
    assert "no weights: promptreg weights fetch" in row
    assert "0/2" in row
    assert (finished.results / "report.html").read_text().count("not run") > 0
