import numpy as np
import pandas as pd
import pytest

from promptreg.comparison import outcomes
from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.stats import case_values, summarize
from promptreg.table_statistics import per_pair, statistics_table
from promptreg.tables import groups_in, table1
from promptreg.units import apart_by_unit, in_order, unit_in, without_unit

METHODS = ["a", "b"]


def rows_of(method, pair, *rows, group="prostate"):
    return to_frame(rows, dataset="d", group=group, method=method, variant="", pair=pair)


def measured(method, pair, tre, unit, *, dice=80.0, group="prostate"):
    rows = [
        MetricRow("gland", "dice", dice, "%"),
        MetricRow("gland", "centroid_tre", tre, unit),
        MetricRow("gland", "centroid_tre_penalized", tre, unit),
    ]
    return rows_of(method, pair, *rows, group=group)


def mixed():
    """Two pairs in mm and two in px of one application, and a group in mm alone; b is worse by 1."""
    frames = [
        measured(method, f"p{n}", tre + worse, unit, dice=80 - worse)
        for method, worse in (("a", 0.0), ("b", 1.0))
        for n, (tre, unit) in enumerate([(2.0, "mm"), (4.0, "mm"), (30.0, "px"), (50.0, "px")])
    ]
    frames += [measured(method, "q", 5.0, "mm", group="liver") for method in METHODS]
    return pd.concat(frames, ignore_index=True)


def test_a_metric_in_several_units_is_named_by_them_and_others_keep_their_names():
    apart = apart_by_unit(mixed(), ["dice", "centroid_tre"])
    prostate = apart[apart["group"] == "prostate"]
    assert set(prostate["metric"]) == {"dice", "centroid_tre (mm)", "centroid_tre (px)"}
    assert set(apart.loc[apart["group"] == "liver", "metric"]) == {"dice", "centroid_tre"}
    tre = prostate[prostate["metric"] != "dice"]
    assert set(zip(tre["pair"], tre["unit"], tre["metric"], strict=True)) == {
        ("p0", "mm", "centroid_tre (mm)"),
        ("p1", "mm", "centroid_tre (mm)"),
        ("p2", "px", "centroid_tre (px)"),
        ("p3", "px", "centroid_tre (px)"),
    }


def test_keeping_units_apart_twice_changes_nothing_more():
    once = apart_by_unit(mixed(), ["dice", "centroid_tre"])
    pd.testing.assert_frame_equal(apart_by_unit(once, ["dice", "centroid_tre"]), once)


def test_a_row_without_a_unit_goes_with_the_others_of_its_pair_or_with_the_first_unit():
    absent = MetricRow("", "centroid_tre", np.nan, "", "absent", "no labels")
    frame = pd.concat([mixed(), rows_of("c", "p2", absent), rows_of("c", "p9", absent)], ignore_index=True)
    apart = apart_by_unit(frame, ["centroid_tre"])
    assert apart.loc[apart["method"] == "c", "metric"].tolist() == ["centroid_tre (px)", "centroid_tre (mm)"]


def test_no_mean_is_over_two_units():
    means = summarize(case_values(mixed(), ["dice", "centroid_tre"]))
    found = means[(means["group"] == "prostate") & (means["entry"] == "a")].set_index("metric")
    assert found["mean"].to_dict() == {"dice": 80.0, "centroid_tre (mm)": 3.0, "centroid_tre (px)": 40.0}
    assert found["n"].to_dict() == {"dice": 4, "centroid_tre (mm)": 2, "centroid_tre (px)": 2}


def test_table_1_has_a_column_a_unit():
    table = table1(mixed(), METHODS)
    assert [title for group, title in table.header if group == "prostate"] == [
        "Dice (%)",
        "centroid TRE (mm)",
        "centroid TRE (px)",
        "pairs",
    ]
    assert [title for group, title in table.header if group == "liver"] == [
        "Dice (%)",
        "centroid TRE (mm)",
        "pairs",
    ]
    texts = [[cell.text for cell in row][2:6] for row in table.rows]
    assert texts[0] == ["80.00 ± 0.00", "3.00 ± 1.00", "40.00 ± 10.00", "4/4"]
    assert texts[1] == ["79.00 ± 0.00", "4.00 ± 1.00", "41.00 ± 10.00", "4/4"]


def test_the_table_of_statistics_has_rows_a_unit():
    frame = mixed()
    table = statistics_table(table1(frame, METHODS).data, groups_in(frame))
    measures = [row[1].text for row in table.rows if row[0].text == "prostate" and row[2].text == "a"]
    assert measures == ["Dice (%)", "centroid TRE (mm)", "centroid TRE (px)"]
    assert [row[3].text for row in table.rows if row[2].text == "a"][1:3] == ["2", "2"]


def test_a_failed_and_an_emptied_pair_count_in_their_own_unit():
    lost = [
        rows_of("c", "p0", unregistered("failed", "crashed")),
        rows_of(
            "c",
            "p3",
            MetricRow("gland", "dice", 0.0, "%", "empty", "gone"),
            MetricRow("gland", "centroid_tre", np.nan, "px", "empty", "gone"),
            MetricRow("gland", "centroid_tre_penalized", 99.0, "px", "empty", "gone"),
        ),
    ]
    found = outcomes(pd.concat([mixed(), *lost], ignore_index=True), ["centroid_tre"])
    ours = found[found["entry"] == "c"].set_index("pair")
    assert ours["metric"].to_dict() == {"p0": "centroid_tre (mm)", "p3": "centroid_tre (px)"}
    assert ours["status"].to_dict() == {"p0": "failed", "p3": "empty"}
    assert ours["loss"].to_dict() == {"p0": np.inf, "p3": 99.0}


def test_values_of_pairs_keep_the_plain_name_beside_their_unit():
    pairs = per_pair(mixed())
    tre = pairs[(pairs["metric"] == "centroid_tre") & (pairs["group"] == "prostate")]
    assert sorted(tre["unit"]) == ["mm"] * 4 + ["px"] * 4


@pytest.mark.parametrize("name", ["dice", "centroid_tre (px)"])
def test_name_and_unit_make_the_metric_again(name):
    assert without_unit(name) + unit_in(name) == name


def test_metrics_are_ordered_as_asked_for_and_their_units_as_found():
    found = ["landmark_tre", "centroid_tre (px)", "dice", "centroid_tre (mm)", "folds"]
    assert in_order(found, ["dice", "centroid_tre", "landmark_tre"]) == [
        "dice",
        "centroid_tre (px)",
        "centroid_tre (mm)",
        "landmark_tre",
    ]
