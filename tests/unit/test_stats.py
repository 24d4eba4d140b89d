from __future__ import annotations

import numpy as np
import pandas as pd

from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.stats import case_values, counts, summarize


def pair(method: str, name: str, **values: float) -> pd.DataFrame:
    rows = [MetricRow(label, "dice", value, "%") for label, value in values.items()]
    return to_frame(rows, dataset="d", group="g", method=method, variant="", pair=name)


def test_structures_are_averaged_before_pairs():
    frame = pd.concat([pair("m", "a", liver=80, kidney=40, spleen=60), pair("m", "b", liver=100)])
    values = case_values(frame, ["dice"])
    assert values["value"].tolist() == [60, 100]
    row = summarize(values).iloc[0]
    assert (row["mean"], row["sd"], row["median"], row["n"]) == (80, 20, 80, 2)


def test_an_undefined_value_is_counted_not_averaged():
    frame = pd.concat([pair("m", "a", liver=np.nan, kidney=50), pair("m", "b", liver=np.nan)])
    row = summarize(case_values(frame, ["dice"])).iloc[0]
    assert (row["mean"], row["n"], row["n_undefined"]) == (50, 1, 1)


def test_a_single_pair_has_no_interval():
    row = summarize(case_values(pair("m", "a", liver=3.0), ["dice"])).iloc[0]
    assert row["mean"] == 3
    assert row[["ci_low", "ci_high"]].isna().all()


def test_the_interval_of_two_pairs_lies_between_them_and_follows_the_seed_and_the_group_alone():
    frame = pd.concat(
        [pair(method, name, x=value) for method in "mn" for name, value in (("a", 1), ("b", 3))]
    )
    table = summarize(case_values(frame, ["dice"]))
    assert table[["ci_low", "ci_high"]].to_numpy().tolist() == [[1, 3], [1, 3]]


def test_pairs_of_the_same_subjects_have_no_interval():
    cases = case_values(
        pd.concat([pair("m", name, x=value) for name, value in (("a", 1), ("b", 3))]), ["dice"]
    )
    known = {("d", "a"): ("anna", "eve"), ("d", "b"): ("anna", "eve")}
    assert summarize(cases, subjects=known)[["ci_low", "ci_high"]].isna().all(axis=None)


def test_failures_are_counted_by_pair_with_their_reasons():
    names = {"dataset": "d", "group": "g", "method": "m", "variant": ""}
    frame = pd.concat(
        [
            pair("m", "a", liver=1, kidney=2),
            to_frame([unregistered("failed", "no memory")], pair="b", **names),
            to_frame([unregistered("not run", "no tool")], pair="c", **names),
            to_frame([unregistered("not run", "no tool")], pair="e", **names),
            to_frame([MetricRow("x", "dice", 0, "%", "empty", "none left")], pair="f", **names),
        ]
    )
    row = counts(frame).iloc[0]
    assert row[["n_pairs", "n_failed", "n_not_run", "n_empty", "n_absent"]].tolist() == [5, 1, 2, 1, 0]
    assert row["reason"] == "no tool; no memory"
