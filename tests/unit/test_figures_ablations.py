from __future__ import annotations

import pandas as pd
import pytest

from promptreg.figures.ablations import ablation_curves, ablation_rows, positions
from promptreg.figures.style import GREY, line_of

FACTORS = ["family", "views"]


def make_data(families=("all", "flip"), views=("1", "4", "10")) -> pd.DataFrame:
    rows = [
        {
            "entry": f"{family}_{count}", "family": family, "views": count, "dataset": dataset,
            "group": group, "metric": metric, "unit": "%", "mean": 50.0 + float(count), "ci_low": low,
            "ci_high": 60.0, "published": dataset == "Paper",
        }
        for dataset, group, low in (("Paper", "MR", None), ("d", "cells", 45.0), ("d", "bones", 45.0))
        for family in families
        for count in views
        for metric in ("dice", "centroid_tre")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def panels(figure):
    return {(ax.get_title(), ax.get_ylabel() or ax.get_xlabel()): ax for ax in figure.axes if ax.get_title()}


def test_every_measure_and_group_has_a_panel_and_published_ones_come_last_in_grey():
    figure = ablation_curves(make_data(), FACTORS, along="views")
    assert list(panels(figure)) == [
        (title, measure)
        for measure in ("Dice (%) ↑", "centroid TRE (%) ↓")
        for title in ("cells", "bones", "MR, as published")
    ]
    grey = [{line.get_color() == GREY for line in ax.lines} for ax in figure.axes]
    assert grey == [{False}, {False}, {True}] * 2


@pytest.mark.parametrize(("n_groups", "n_columns"), [(2, 3), (4, 5), (5, 3), (7, 4)])
def test_every_measure_begins_a_row_of_its_own(n_groups, n_columns):
    one = make_data(families=("all",))
    ours = [one[one["group"] == "cells"].assign(group=f"group {number}") for number in range(n_groups)]
    figure = ablation_curves(pd.concat([*ours, one[one["published"]]]), FACTORS, along="views")
    spec = figure.axes[0].get_subplotspec().get_gridspec()
    assert spec.ncols == n_columns
    first = next(ax for (_, label), ax in panels(figure).items() if label.startswith("centroid"))
    assert first.get_subplotspec().colspan.start == 0


def test_a_long_published_table_is_named_by_its_data_alone_in_lines_that_fit():
    data = make_data().replace({"dataset": {"Paper": "A published table with a long name (of something)"}})
    data = data.replace({"group": {"bones": "a group whose name is longer than the panel is wide"}})
    titles = [title for title, _ in panels(ablation_curves(data, FACTORS, along="views"))]
    assert "MR, as published" in titles
    assert max(len(line) for title in titles for line in title.splitlines()) <= 33


def test_a_curve_runs_along_its_factor_at_true_distances():
    ax = ablation_curves(make_data(), FACTORS, along="views").axes[0]
    assert [line.get_label() for line in ax.lines] == ["all", "flip"]
    assert ax.lines[0].get_xydata().tolist() == [[1.0, 51.0], [4.0, 54.0], [10.0, 60.0]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "10"]


def test_a_method_without_the_setting_is_a_line_across():
    data = make_data(families=("all",))
    other = data.head(1).assign(entry="identity", family="–", views="–", dataset="d", group="cells")
    ax = ablation_curves(pd.concat([data, other.assign(published=False)]), FACTORS, along="views").axes[0]
    assert [text.get_text() for text in ax.texts] == ["identity"]
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 3]


def test_an_interval_is_a_band_of_a_line_that_is_alone_and_a_published_number_has_none():
    axes = ablation_curves(make_data(families=("all",)), FACTORS, along="views").axes
    assert [len(ax.collections) for ax in axes[:3]] == [1, 1, 0]
    several = ablation_curves(make_data(), FACTORS, along="views").axes
    assert [len(ax.collections) for ax in several[:3]] == [0, 0, 0]


def test_rows_without_a_curve_stand_below_each_other_in_their_order():
    data = make_data()
    figure = ablation_rows(data)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == list(
        dict.fromkeys(data["entry"])
    )
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top


def test_a_grid_in_which_everything_failed_can_still_be_drawn():
    data = make_data().assign(mean=float("nan"))
    assert [ax.axison for ax in ablation_rows(data).axes] == [False]
    assert [ax.axison for ax in ablation_curves(data, FACTORS, along="views").axes] == [False]


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        (["1", "2", "10"], [1, 2, 10]),
        (["0.1", "0.2", "∞"], [0.1, 0.2, 0.3]),
        (["∞"], [1]),
        (["red", "blue", "3"], [0, 1, 2]),
    ],
)
def test_numbers_stand_at_their_value_infinity_a_step_beyond_and_words_in_turn(texts, places):
    assert list(positions(texts).values()) == pytest.approx(places)


def test_forty_lines_are_told_apart_by_colour_marker_and_stroke():
    styles = line_of([str(n) for n in range(40)], "colorblind")
    assert len({tuple(one.values()) for one in styles.values()}) == 40
    assert len({one["color"] for one in styles.values()}) == 10
    first = [(one["marker"], one["linestyle"]) for one in list(styles.values())[:10]]
    assert len(set(first)) == 10
    assert {stroke for _, stroke in first} == {"-"}
