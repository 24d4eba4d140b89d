"""The tables of further questions about a made-up benchmark, against numbers computed anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_measures import LOST, METHODS, frames, listing
from recomputed import check

from promptreg.config import Config
from promptreg.plan import Plan
from promptreg.records import MetricRow, cost_rows, to_frame, unregistered
from promptreg.stages import analysis, tables

ANALYSES = ("grid", "robustness", "consistency", "efficiency", "calibration")
CONFIG = {
    "methods": METHODS,
    "seed": 3,
    "datasets": [{"name": "d"}, {"name": "c", "corrupt": {"kind": "elastic", "levels": [0, 0.25]}}],
    "analyses": ["consistency", "efficiency", "calibration"],
    "variants": {"promptreg": {}},
    "ablations": {
        "grid": {
            "title": "Number of prompts",
            "rows": {"affine": "", "promptreg": "1 prompt"},
            "factors": {"prompts": "search.prompts.count", "views": "marginalize.views"},
            "published": "Register Anything, Table 4 (number of prompts)",
        }
    },
}


def keys(method: str) -> dict[str, str]:
    variant = method == "promptreg"
    return {"method": method, "variant": method if variant else ""}


def consistencies(method: str, rng: np.random.Generator) -> list[MetricRow]:
    found = [
        MetricRow("", name, rng.exponential(), unit)
        for name, unit in (("inverse_consistency", "mm"), ("folds", "%"), ("sdlogj", ""))
    ]
    shares = [MetricRow("", name, 100 * rng.random(), "%") for name in ("cycle", "accepted")]
    return found + (shares if method == "promptreg" else [])


def more_frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measures of consistency of the pairs, of exchanged ones, and of pairs changed in two grades."""
    rng = np.random.default_rng(9)
    found, costs = [], []
    for method in METHODS:
        for pair in range(9):
            place = {"dataset": "d", "group": "organs", **keys(method)}
            if (method, pair) not in LOST:
                found.append(to_frame(consistencies(method, rng), pair=f"p{pair}", **place))
            seconds = {"embed": rng.random(), "fit": 9 * rng.random()}
            rows = cost_rows(seconds, peak_memory_mb=900 * rng.random(), flops={"fit": 10**9 + pair})
            costs.append(to_frame(rows, pair=f"p{pair}", **place))
            twin = {**place, "group": "organs, reversed", "pair": f"p{pair}_reversed"}
            found.append(to_frame([MetricRow("a", "dice", 100 * rng.random(), "%")], **twin))
            for level in (0, 0.25):
                lost = method == "niftyreg" and pair == 2
                rows = [MetricRow("", "landmark_tre", rng.exponential(1 + level), "mm")]
                place = {"dataset": "c", "group": f"tissue, elastic {level:g}", **keys(method)}
                rows = [unregistered("failed", "no memory")] if lost else rows
                found.append(to_frame(rows, pair=f"c{pair}_{level:g}", **place))
    return pd.concat(found, ignore_index=True), pd.concat(costs, ignore_index=True)


def points() -> pd.DataFrame:
    """What was foretold at points, and what came true: related, unrelated, and all alike."""
    rng = np.random.default_rng(5)
    parts = []
    for number in range(7):
        predicted = rng.random(6 + 5 * number).round(1)
        for predictor, error in (
            ("views", predicted + rng.random(len(predicted))),
            ("distance", rng.random(len(predicted))),
            ("prompts", np.ones(len(predicted))),
        ):
            part = pd.DataFrame({"predicted": predicted, "error": error}).assign(pair=f"q{number}")
            parts.append(part.assign(predictor=predictor, unit="", error_unit="mm"))
    return pd.concat(parts).assign(dataset="d", group="tissue", entry="promptreg")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with all tables, those of the further questions included."""
    folder = tmp_path_factory.mktemp("results")
    measures, costs = (
        pd.concat(parts, ignore_index=True) for parts in zip(frames(), more_frames(), strict=True)
    )
    listing().to_csv(folder / "pairs.csv", index=False)
    measures.to_parquet(folder / "metrics.parquet")
    costs.to_parquet(folder / "timings.parquet")
    foretold = folder / "calibration/promptreg/d/000.parquet"
    foretold.parent.mkdir(parents=True)
    points().to_parquet(foretold)
    published = Plan({"results_dir": str(folder)}).published
    inputs = [
        *(str(folder / name) for name in ("metrics.parquet", "timings.parquet", "pairs.csv")),
        published,
    ]
    config = json.loads(Config.model_validate(CONFIG).model_dump_json(exclude={"figures"}))
    tables.run({"config": config, "seen": []}, inputs, str(folder / "tables/table1.csv"))
    for name in ANALYSES:
        more = [str(foretold)] if name == "calibration" else []
        job = {"config": config, "name": name}
        analysis.run(job, [*inputs, *more], str(folder / f"tables/{name}.csv"))
    return folder


def test_every_number_of_every_analysis_is_found_again(results: Path) -> None:
    assert {f"{name}.csv" for name in ANALYSES} < {one.name for one in (results / "tables").iterdir()}
    assert check(results, seed=3) > 3000


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("grid", "mean"),
        ("robustness", "ci_low"),
        ("consistency", "sd"),
        ("efficiency", "gflop_per_gain"),
        ("calibration", "rho_within"),
        ("calibration", "rho_between"),
    ],
)
def test_a_wrong_number_of_an_analysis_is_noticed(
    results: Path, tmp_path: Path, name: str, column: str
) -> None:
    for one in results.iterdir():
        if one.name != "tables":
            (tmp_path / one.name).symlink_to(one)
    (tmp_path / "tables").mkdir()
    for one in (results / "tables").iterdir():
        (tmp_path / "tables" / one.name).write_bytes(one.read_bytes())
    table = pd.read_csv(tmp_path / f"tables/{name}.csv")
    ours = table[column].notna() & ~table.get("published", pd.Series(False, index=table.index)).astype(bool)
    table.loc[table.index[ours][-1], column] += 0.01
    table.to_csv(tmp_path / f"tables/{name}.csv", index=False)
    with pytest.raises(AssertionError, match=column):
        check(tmp_path, seed=3)


def test_a_wrong_cell_that_people_read_is_noticed(results: Path, tmp_path: Path) -> None:
    for one in results.iterdir():
        if one.name != "tables":
            (tmp_path / one.name).symlink_to(one)
    (tmp_path / "tables").mkdir()
    for one in (results / "tables").iterdir():
        text = one.read_text()
        wrong = text.replace(" ± ", " ± 1", 1) if one.name == "robustness.md" else text
        (tmp_path / "tables" / one.name).write_text(wrong)
    with pytest.raises(AssertionError):
        check(tmp_path, seed=3)
