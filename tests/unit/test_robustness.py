from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.figures.robustness import robustness_curves
from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.robustness import robustness_table
from promptreg.settings import load

LEVELS = {"turned": ("rotation", (0, 10, 20)), "noisy": ("noise", (0.1,))}
CONFIG = load(
    {
        "methods": ["identity", "moments"],
        "datasets": [
            {"name": name, "reader": "demo", "corrupt": {"kind": kind, "levels": levels}}
            for name, (kind, levels) in LEVELS.items()
        ]
        + [{"name": "plain", "reader": "demo"}],
    }
)


def results() -> pd.DataFrame:
    """The Dice of one method falls by the angle, that of the other does not; it fails on two pairs at 20."""
    frames = []
    for n in range(8):
        for dataset, group, level in (
            *(("turned", f"retina, rotation {level}", level) for level in (0, 10, 20)),
            ("noisy", "retina, noise 0.1", 0),
            ("plain", "retina", 0),
        ):
            for method, dice in (("identity", 60.0 - level), ("moments", 70.0)):
                rows = [
                    MetricRow("disc", "dice", dice + n / 10, "%"),
                    MetricRow("", "landmark_tre", 3.0, "px"),
                ]
                if (method, level) == ("moments", 20) and n < 2:
                    rows = [unregistered("failed", "lost")]
                keys = {"dataset": dataset, "group": group, "method": method, "variant": "", "pair": f"p{n}"}
                frames.append(to_frame(rows, **keys))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def table():
    return robustness_table(results(), CONFIG)


def test_the_data_name_change_and_level_and_leave_out_what_is_not_changed(table):
    data = table.data[(table.data["metric"] == "dice") & (table.data["entry"] == "identity")]
    assert data[["group", "kind", "level"]].to_numpy().tolist() == [
        ["retina", "rotation", 0.0],
        ["retina", "rotation", 10.0],
        ["retina", "rotation", 20.0],
        ["retina", "noise", 0.1],
    ]
    assert data["mean"].tolist() == pytest.approx([60.35, 50.35, 40.35, 60.35])


def test_a_row_is_a_measure_at_a_level_and_a_column_a_method(table):
    shown = [[cell.text for cell in row] for row in table.rows]
    assert [title for _, title in table.header[-2:]] == ["identity", "moments"]
    assert [row[:5] for row in shown] == [
        ["retina", "rotation", "0", "Dice (%)", "8"],
        ["retina", "rotation", "10", "Dice (%)", "8"],
        ["retina", "rotation", "20", "Dice (%)", "8"],
        ["retina", "rotation", "0", "landmark TRE (px)", "8"],
        ["retina", "rotation", "10", "landmark TRE (px)", "8"],
        ["retina", "rotation", "20", "landmark TRE (px)", "8"],
        ["retina", "noise", "0.1", "Dice (%)", "8"],
        ["retina", "noise", "0.1", "landmark TRE (px)", "8"],
    ]
    assert shown[2][5:] == ["40.35 ± 0.23", "70.45 ± 0.17 (6)"]
    assert [cell.bold for cell in table.rows[2][5:]] == [False, True]


def test_a_misaligned_twin_is_of_its_own_group():
    frame = results().assign(group=lambda one: one["group"] + ", misaligned")
    assert set(robustness_table(frame, CONFIG).data["group"]) == {"retina, misaligned"}


def test_a_group_of_no_known_level_is_an_error():
    frame = results()
    frame["group"] = frame["group"].replace("retina, rotation 10", "retina, rotation 11")
    with pytest.raises(ValueError, match="'retina, rotation 11' names no level of rotation"):
        robustness_table(frame, CONFIG)


def test_every_change_and_measure_has_a_panel_and_every_method_a_curve(table):
    figure = robustness_curves(table.data, CONFIG.methods)
    titles = [(ax.get_title(), ax.get_ylabel(), ax.get_xlabel()) for ax in figure.axes if ax.axison]
    assert titles == [
        ("retina: rotation", "Dice (%) ↑", "degrees"),
        ("retina: noise", "Dice (%) ↑", "standard deviation,\nshare of range"),
        ("retina: rotation", "landmark TRE (px) ↓", "degrees"),
        ("retina: noise", "landmark TRE (px) ↓", "standard deviation,\nshare of range"),
    ]
    falling, steady, *_ = figure.axes[0].lines[::2]
    assert falling.get_xydata()[:, 0].tolist() == [0, 10, 20]
    assert np.allclose(np.diff(falling.get_ydata()), -10)
    assert np.ptp(steady.get_ydata()) < 0.2


def one_line(kind: str, metric: str, *, dataset: str = "d", group: str = "g") -> list[dict]:
    """Rows of robustness_table of one method, at two levels."""
    place = {"entry": "a", "dataset": dataset, "group": group, "metric": metric, "kind": kind}
    numbers = dict.fromkeys(("mean", "ci_low", "ci_high"), 1.0) | dict.fromkeys(("n_failed", "n_not_run"), 0)
    return [{**place, "level": level, "unit": "", **numbers} for level in (0, 1)]


def test_more_changes_than_fit_into_a_row_take_rows_of_their_own_for_each_measure():
    kinds = ["rotation", "shift", "scale", "noise", "bias"]
    rows = [row for metric in ("dice", "landmark_tre") for kind in kinds for row in one_line(kind, metric)]
    axes = robustness_curves(pd.DataFrame(rows), ["a"]).axes
    assert [ax.get_title().removeprefix("g: ") for ax in axes] == [*kinds, ""] * 2


def test_data_sets_with_groups_of_one_name_under_one_change_have_panels_of_their_own():
    rows = one_line("noise", "dice") + one_line("noise", "dice", dataset="other")
    figure = robustness_curves(pd.DataFrame(rows), ["a"])
    assert [ax.get_title() for ax in figure.axes] == ["d: g: noise", "other: g: noise"]
    assert [len(ax.lines[0].get_xdata()) for ax in figure.axes] == [2, 2]


def test_a_measure_that_a_group_lacks_takes_no_row():
    rows = [*one_line("noise", "dice"), *one_line("bias", "dice"), *one_line("noise", "hd95", group="h")]
    axes = robustness_curves(pd.DataFrame(rows), ["a"]).axes
    assert [ax.get_title() for ax in axes] == ["g: noise", "g: bias", "h: noise", ""]


def test_measures_under_one_change_alone_stand_side_by_side():
    tre = [*one_line("noise", "landmark_tre"), *one_line("noise", "landmark_tre", group="h")]
    axes = robustness_curves(pd.DataFrame([*tre, *one_line("noise", "dice")]), ["a"]).axes
    titles = [(ax.get_title(), ax.get_ylabel()) for ax in axes]
    error = "landmark TRE ↓"
    assert titles == [("g: noise", "Dice ↑"), ("g: noise", error), ("", ""), ("h: noise", error)]


def test_a_level_at_which_pairs_were_lost_has_an_open_marker(table):
    lines = robustness_curves(table.data, CONFIG.methods).axes[0].lines
    opened = [line.get_xdata().tolist() for line in lines if line.get_markerfacecolor() == "white"]
    assert opened == [[], [20.0]]
