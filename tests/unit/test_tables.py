from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.records import MetricRow, cost_rows, to_frame, unregistered
from promptreg.tables import Table, ablation_table, seconds_table, table1

METHODS = ["identity", "niftyreg", "ours", "absent_tool"]


def results() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frames = []
    for group in ("MR", "CT"):
        for i in range(8):
            hardness = rng.normal(0, 5)
            for method, dice, tre in (("identity", 50, 9), ("niftyreg", 70, 5), ("ours", 80, 2)):
                rows = [
                    MetricRow("liver", "dice", dice + hardness + rng.normal(), "%"),
                    MetricRow("liver", "centroid_tre", tre + 0.1 * hardness, "mm"),
                    *cost_rows({"search": i + 1.0, "fit": 10.0}),
                ]
                frames.append(
                    to_frame(rows, dataset="d", group=group, method=method, variant=method, pair=f"p{i}")
                )
            row = [unregistered("not run", "no such tool")]
            frames.append(
                to_frame(row, dataset="d", group=group, method="absent_tool", variant="", pair=f"p{i}")
            )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def table() -> Table:
    return table1(results(), METHODS, prealign="mass")


def texts(table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_the_machine_readable_frame_has_one_value_a_column(table):
    data = table.data
    assert len(data) == 4 * 2 * 3
    row = data[(data["entry"] == "identity") & (data["group"] == "MR") & (data["metric"] == "dice")].iloc[0]
    assert row["mean"] == pytest.approx(50, abs=6)
    assert (row["n"], row["n_pairs"], row["n_failed"]) == (8, 8, 0)
    assert row["p_holm"] == pytest.approx(2 * 2 / 2**8)
    assert row["effect"] == 1


def test_the_best_is_bold_and_significantly_worse_rows_are_marked(table):
    ours, identity = table.rows[2], table.rows[0]
    assert [cell.bold for cell in ours] == [False, False, True, True, False, True, True, False]
    assert identity[2].text.endswith("*")
    assert not ours[2].text.endswith("*")


def test_a_method_that_did_not_run_keeps_its_row_and_says_why(table):
    row = texts(table)[3]
    assert row[2] == "not run (no such tool)"
    assert row[4] == "0/8"


def test_a_method_without_any_result_is_not_dropped():
    row = texts(table1(results(), [*METHODS, "ghost"]))[4]
    assert row[0] == "ghost"
    assert row[2] == "not run (no results)"


def test_a_metric_that_no_pair_of_a_group_has_gets_no_column(table):
    assert not [title for _, title in table.header if "landmark" in title]


def test_rows_and_columns_follow_the_order_given():
    table = table1(results(), ["ours", "identity"], groups=[("d", "CT"), ("d", "MR")])
    assert [row[0] for row in texts(table)] == ["ours", "identity"]
    assert [group for group, title in table.header if title == "pairs"] == ["CT", "MR"]
    assert ("CT", "centroid TRE (mm)") in table.header


def test_groups_of_the_same_name_in_two_data_sets_stay_apart():
    frame = results()
    both = pd.concat([frame, frame.assign(dataset="e")])
    tops = {group for group, _ in table1(both, METHODS).header if group}
    assert tops == {"d: MR", "d: CT", "e: MR", "e: CT"}


def test_the_footnote_states_the_spread_the_pre_alignment_and_the_losses(table):
    note = table.footnote
    assert "population SD over pairs" in note
    assert "every method: mass" in note
    assert "failed: 0; not run: 16" in note


def test_an_ablation_shows_its_factors():
    table = ablation_table(
        results(), {"identity": {"sigma": "0.05"}, "ours": {"sigma": "0.10", "views": "5"}}
    )
    assert table.header[:3] == (("", "method"), ("", "sigma"), ("", "views"))
    assert [row[:3] for row in texts(table)] == [["identity", "0.05", "–"], ["ours", "0.10", "5"]]


def test_seconds_are_medians_over_pairs_with_their_sum():
    table = seconds_table(results(), ["ours", "absent_tool"])
    assert texts(table) == [["ours", "4.5", "10", "14.5"], ["absent_tool", "–", "–", "–"]]
    assert table.data["n"].tolist() == [16, 16, 0, 0]


def test_two_runs_give_the_same_table(table):
    again = table1(results(), METHODS, prealign="mass")
    pd.testing.assert_frame_equal(table.data, again.data)
    assert table.rows == again.rows


def test_a_benchmark_in_which_everything_failed_is_still_a_table():
    row = [unregistered("failed", "boom")]
    frame = to_frame(row, dataset="d", group="g", method="m", variant="m", pair="p")
    assert texts(table1(frame, ["m"])) == [["m", "", "failed (boom)", "0/1"]]


def test_a_cell_names_the_first_reason_shortly_and_counts_the_others():
    failed = [
        to_frame(
            [unregistered("failed", f"pair {n}: " + "a very long story " * 9)],
            dataset="d", group="MR", method="identity", variant="", pair=f"p{n}",
        )
        for n in range(3)
    ]  # fmt: skip
    text = table1(pd.concat(failed, ignore_index=True), ["identity"]).rows[0][2].text
    assert text.startswith("failed (pair 0: a very long story")
    assert text.endswith("…; and 2 more)")
    assert len(text) < 110


def test_who_has_seen_the_data_in_training_is_marked_in_that_group_alone():
    plain, marked = (
        table1(results(), METHODS, seen=seen, prealign="mass") for seen in ([], [("niftyreg", "d", "MR")])
    )
    assert not plain.data["seen_in_training"].any()
    data = marked.data.set_index(["entry", "group"])["seen_in_training"]
    assert data["niftyreg", "MR"].all()
    assert data.sum() == 3
    assert [cell.text.endswith("†") for cell in marked.rows[1]] == [False, False, True, True, *[False] * 4]
    assert "† The method has seen this data set in training." in marked.footnote
    assert "†" not in plain.footnote + str(texts(plain))
    pd.testing.assert_frame_equal(
        plain.data.drop(columns="seen_in_training"), marked.data.drop(columns="seen_in_training")
    )


def test_a_method_that_has_seen_the_data_and_gave_nothing_is_not_marked():
    table = table1(results(), METHODS, seen=[("absent_tool", "d", "MR")])
    assert "†" not in str(texts(table))
