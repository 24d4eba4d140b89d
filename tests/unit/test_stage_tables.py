"""The tables of a made-up benchmark with everything that can go wrong, against numbers computed anew."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from made_up_measures import METHODS, frames, listing
from recomputed import check

from promptreg.config import Config
from promptreg.plan import Plan
from promptreg.stages import tables


def write(folder: Path, frame: pd.DataFrame, costs: pd.DataFrame, *, seed: int = 0) -> Path:
    """Write the tables of measures into a results folder."""
    config = Config(methods=METHODS, seed=seed).model_dump(mode="json", exclude={"figures"})
    frame.to_parquet(folder / "metrics.parquet")
    costs.to_parquet(folder / "timings.parquet")
    listing().to_csv(folder / "pairs.csv", index=False)
    published = Plan({"results_dir": str(folder)}).published
    sources = [str(folder / name) for name in ("metrics.parquet", "timings.parquet", "pairs.csv")]
    job = {"config": config, "seen": [["affine", "d", "tissue"]]}
    tables.run(json.loads(json.dumps(job)), [*sources, published], str(folder / "tables/table1.csv"))
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("results"), *frames(), seed=3)


def test_every_number_of_every_table_is_found_again(results: Path):
    assert check(results, seed=3) > 900


def test_a_changed_number_is_noticed(results: Path, tmp_path: Path):
    for name in ("metrics.parquet", "timings.parquet", "pairs.csv", "tables"):
        (tmp_path / name).symlink_to(results / name)
    frame = pd.read_parquet(results / "metrics.parquet")
    chosen = frame[(frame["metric"] == "dice") & (frame["status"] == "ok")].index[0]
    frame.loc[chosen, "value"] += 0.1
    (tmp_path / "metrics.parquet").unlink()
    frame.to_parquet(tmp_path / "metrics.parquet")
    with pytest.raises(AssertionError, match=r"table1\.csv"):
        check(tmp_path, seed=3)


def test_another_seed_gives_other_intervals(results: Path):
    with pytest.raises(AssertionError, match="ci_"):
        check(results, seed=4)


def test_a_method_that_lost_a_pair_everywhere_is_named_beneath_the_ranking(results: Path):
    note = (results / "tables/ranking.md").read_text().splitlines()[-1]
    assert "Not run on every pair of some application, and not ranked there: niftyreg" in note


def test_values_of_pairs_are_kept_with_the_reason_why_there_is_none(results: Path):
    table = pd.read_csv(results / "tables/per_pair.csv").set_index(["entry", "pair", "metric"])
    assert table.loc[("affine", "p3", "dice"), "status"] == "failed"
    assert table.loc[("affine", "p1", "centroid_tre"), "status"] == "empty"
    assert table.loc[("niftyreg", "q2", "landmark_tre"), "status"] == "not run"


@pytest.mark.parametrize("kept", ["one pair", "all failed", "one method"])
def test_tiny_benchmarks_have_tables_too(kept: str, tmp_path: Path):
    frame, costs = frames()
    chosen = {
        "one pair": frame["pair"] == "p0",
        "all failed": frame["dataset"] == "e",
        "one method": frame["variant"] == "promptreg",
    }[kept]
    assert check(write(tmp_path, frame[chosen], costs[costs["pair"] == "p0"])) > 5
