from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from promptreg.consistency import (
    acceptance_warnings,
    consistency_warning,
    dice_of_balls,
    law_warnings,
    rank_warnings,
    unit_warnings,
)
from promptreg.records import MetricRow, to_frame


def test_the_ball_law_gives_the_published_values():
    values = [dice_of_balls(4.67, radius, 3) for radius in (20, 25, 60)]
    assert values == pytest.approx([0.83, 0.86, 0.94], abs=0.005)


def test_the_impossible_published_row_is_warned_of():
    volume = 4 / 3 * np.pi * 25**3
    assert "disagree" in consistency_warning(7.7, 4.67, volume, 3)
    assert "radius 25.0" in consistency_warning(7.7, 4.67, volume, 3)


def test_high_overlap_of_far_centroids_is_warned_of():
    assert "discs" in consistency_warning(87.35, 30.0, np.pi * 20**2, 2)


@pytest.mark.parametrize("distance", [0.0, 3.0, 12.0, 60.0])
def test_values_on_the_law_raise_no_warning(distance):
    for ndim, volume in ((2, np.pi * 20**2), (3, 4 / 3 * np.pi * 20**3)):
        assert consistency_warning(100 * dice_of_balls(distance, 20, ndim), distance, volume, ndim) == ""


def test_undefined_values_raise_no_warning():
    assert consistency_warning(0.0, math.nan, 100.0, 3) == ""


def measured(method: str, dice: float, tre: float, *, label: str = "gland", pair: str = "p") -> pd.DataFrame:
    rows = [
        MetricRow(label, "dice", dice, "%"),
        MetricRow(label, "centroid_tre", tre, "mm"),
        MetricRow(label, "volume", 4 / 3 * np.pi * 25**3, "mm3"),
    ]
    return to_frame(rows, dataset="d", group="g", method=method, variant="", pair=pair)


def test_the_law_is_checked_on_the_means_of_each_entry_and_structure():
    pairs = [measured("odd", 8, 5, pair=str(i)) for i in range(3)] + [measured("fine", 86, 5)]
    warnings = law_warnings(pd.concat(pairs))
    assert warnings[["entry", "label"]].to_numpy().tolist() == [["odd", "gland"]]
    assert "Dice 8.0 %" in warnings["warning"][0]


def test_a_structure_that_breaks_the_law_with_every_method_is_told_once():
    pairs = [measured("one", 8, 5), measured("two", 12, 4.5), measured("one", 86, 5, label="round")]
    warnings = law_warnings(pd.concat(pairs))
    assert warnings[["entry", "label"]].to_numpy().tolist() == [["all methods", "gland"]]
    assert warnings["warning"][0].startswith("Dice 8.0 to 12.0 % and centroid TRE 4.50 to 5.00 disagree")


def accepted(method: str, *shares: float) -> pd.DataFrame:
    place = {"dataset": "d", "group": "g", "method": method, "variant": ""}
    return pd.concat(
        to_frame([MetricRow("", "accepted", share, "%")], pair=f"p{number}", **place)
        for number, share in enumerate(shares)
    )


def test_pairs_without_an_accepted_region_are_counted_and_named():
    frame = pd.concat([accepted("some", 0, 50, 0), accepted("all", 100, 12, 88), accepted("none", *[0] * 5)])
    warnings = acceptance_warnings(frame).set_index("entry")["warning"]
    assert list(warnings.index) == ["some", "none"]
    assert warnings["some"].startswith("no region was accepted on 2 of 3 pairs (p0, p2): ")
    assert "on 5 of 5 pairs (p0, p1, p2, ...)" in warnings["none"]


def test_empty_structures_are_left_to_their_own_count():
    frame = measured("m", 0, math.nan).assign(status="empty")
    assert law_warnings(frame).empty


def summary(**means: tuple[float, float]) -> pd.DataFrame:
    rows = [
        ("d", "g", entry, metric, value)
        for entry, values in means.items()
        for metric, value in zip(("dice", "centroid_tre"), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["dataset", "group", "entry", "metric", "mean"])


def test_the_best_dice_with_a_poor_distance_rank_is_told():
    warnings = rank_warnings(summary(a=(87.4, 3.9), b=(85.0, 1.0), c=(80.0, 2.0)))
    assert warnings["entry"].tolist() == ["a"]
    assert "rank 3 of 3" in warnings["warning"][0]


def test_agreeing_ranks_raise_no_warning():
    assert rank_warnings(summary(a=(87.4, 0.9), b=(85.0, 1.0), c=(80.0, 2.0))).empty


def test_a_group_in_two_units_is_reported_once_a_measure():
    rows = {"dataset": "d", "group": "g", "method": "m", "variant": ""}
    frame = pd.concat(
        to_frame(
            [MetricRow("", "landmark_tre", 1.0, unit), MetricRow("x", "dice", 1.0, "%")], pair=unit, **rows
        )
        for unit in ("mm", "px")
    )
    warnings = unit_warnings(frame, ["dice", "landmark_tre"])
    assert warnings["warning"].tolist() == [
        "landmark_tre is in mm and px within one group: each unit has a mean of its own"
    ]
    assert unit_warnings(frame, ["dice"]).empty
