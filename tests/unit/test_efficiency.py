from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.efficiency import efficiency_table
from promptreg.figures.efficiency import cost_accuracy, front
from promptreg.records import MetricRow, to_frame, unregistered

METHODS = ["identity", "quick", "slow", "worse", "never"]
DICE = {"identity": 50.0, "quick": 60.0, "slow": 70.0, "worse": 45.0}
SECONDS = {"identity": 0.1, "quick": 1.0, "slow": 8.0, "worse": 20.0}


def frames(*, counted=True):
    """Six pairs, each easier than the one before; the last was not measured for `quick`."""
    measures, timings = [], []
    for n in range(6):
        for name, dice in DICE.items():
            keys = {"dataset": "d", "group": "g", "method": name, "variant": "", "pair": f"p{n}"}
            if (name, n) != ("quick", 5):
                measures.append(to_frame([MetricRow("a", "dice", dice + 5 * n, "%")], **keys))
            stages = {"embed": SECONDS[name] / 4, "fit": 3 * SECONDS[name] / 4}
            rows = [MetricRow("", f"seconds_{stage}", value, "s") for stage, value in stages.items()]
            rows.append(MetricRow("", "peak_memory", 100.0 + n, "MB"))
            if counted and name == "slow":
                rows += [MetricRow("", f"flops_{stage}", 2e9, "FLOP") for stage in stages]
            timings.append(to_frame(rows, **keys))
    return pd.concat(measures, ignore_index=True), pd.concat(timings, ignore_index=True)


@pytest.fixture(scope="module")
def table():
    return efficiency_table(*frames(), METHODS)


def test_a_gain_is_over_the_identity_on_the_same_pairs_and_its_price_is_seconds_over_gain(table):
    data = table.data.set_index("entry")
    assert data["gain"].tolist()[:4] == pytest.approx([0, 10, 20, -5])
    assert data["n"].tolist() == [6, 5, 6, 6, 0]
    assert data["seconds"].tolist()[:4] == pytest.approx([0.1, 1, 8, 20])
    assert data.loc["quick", "seconds_per_gain"] == pytest.approx(0.1)
    assert data.loc["slow", ["gflop", "gflop_per_gain"]].tolist() == pytest.approx([4, 0.2])
    assert data["memory_mb"].tolist()[:4] == pytest.approx([102.5] * 4)


def test_where_nothing_is_gained_there_is_no_price(table):
    assert np.isnan(table.data.set_index("entry").loc[["identity", "worse"], "seconds_per_gain"]).all()
    assert [cell.text for cell in table.rows[3]] == ["worse", "57.5", "-5", "20", "–", "–", "–", "102"]
    assert [cell.text for cell in table.rows[4]] == ["never", *["–"] * 7]


def test_operations_have_columns_only_where_they_were_counted(table):
    titles = [title for _, title in table.header]
    assert titles == ["method", "Dice (%)", "gain (%)", "s", "s per %", "GFLOP", "GFLOP per %", "MB"]
    without = efficiency_table(*frames(counted=False), METHODS)
    assert [title for _, title in without.header] == ["method", "Dice (%)", "gain (%)", "s", "s per %", "MB"]


def test_a_distance_gains_by_getting_smaller():
    measures, timings = frames()
    measures = measures.assign(metric="landmark_tre", unit="px")
    data = efficiency_table(measures, timings, METHODS).data.set_index("entry")
    assert data.loc["worse", "gain"] == pytest.approx(5)


def test_without_the_identity_nothing_can_be_gained():
    data = efficiency_table(*frames(), ["quick", "slow"]).data
    assert data["gain"].isna().all()
    assert data["seconds_per_gain"].isna().all()


def test_a_group_in_which_everything_failed_is_a_row_of_dashes_and_an_empty_panel():
    lost = to_frame(
        [unregistered("failed", "boom")], dataset="d", group="g", method="quick", variant="", pair="p"
    )
    table = efficiency_table(lost, lost[:0], ["quick"])
    assert [cell.text for cell in table.rows[0]] == ["quick", *["–"] * 5]
    assert not any(ax.lines for ax in cost_accuracy(table.data, ["quick"]).axes)


def test_the_front_holds_what_no_other_beats_in_both():
    costs, losses = np.array([3.0, 1.0, 2.0, 4.0, 1.0]), np.array([1.0, 5.0, 6.0, 1.5, 4.0])
    assert front(costs, losses) == [4, 0]


def test_every_cost_that_is_known_has_a_panel_with_a_point_a_method(table):
    figure = cost_accuracy(table.data, METHODS)
    labels = [ax.get_xlabel() for ax in figure.axes if ax.axison]
    assert labels == ["seconds per pair", "GFLOP per pair"]
    points = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([0.1, 1, 8, 20])
