from __future__ import annotations

import pytest

from promptreg.records import (
    COLUMNS,
    MetricRow,
    check_frame,
    cost_rows,
    entries,
    to_frame,
    unregistered,
)

NAMES = {"dataset": "d", "group": "g", "method": "m", "variant": "", "pair": "p"}


def test_a_frame_has_the_fixed_columns_in_order_and_one_row_a_value():
    frame = to_frame(
        [MetricRow("liver", "dice", 80.0, "%"), *cost_rows({"fit": 2.0}, peak_memory_mb=7)], **NAMES
    )
    assert tuple(frame.columns) == COLUMNS
    assert frame["metric"].tolist() == ["dice", "seconds_fit", "peak_memory"]
    assert frame["unit"].tolist() == ["%", "s", "MB"]
    assert set(frame["status"]) == {"ok"}


def test_operations_are_costs_of_their_stage():
    (row,) = cost_rows({}, flops={"embed": 12})
    assert (row.metric, row.value, row.unit) == ("flops_embed", 12.0, "FLOP")


def test_a_pair_that_failed_is_one_row_with_its_reason_on_one_line():
    row = unregistered("failed", "the tool stopped:\n out of memory")
    assert (row.metric, row.status, row.reason) == (
        "registration",
        "failed",
        "the tool stopped: out of memory",
    )
    assert row.value != row.value


def test_a_failure_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="needs a reason"):
        unregistered("not run", "  ")


def test_a_frame_without_all_its_names_is_refused():
    with pytest.raises(ValueError, match="dataset, group, method, variant, pair"):
        to_frame([], dataset="d")


def test_an_empty_frame_still_has_its_columns_and_types():
    frame = to_frame([], **NAMES)
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"].dtype == float


def test_an_unknown_status_and_a_missing_column_are_named():
    frame = to_frame([MetricRow("", "dice", 1.0, "%")], **NAMES)
    with pytest.raises(ValueError, match="'odd'"):
        check_frame(frame.assign(status="odd"))
    with pytest.raises(ValueError, match=r"column\(s\) reason"):
        check_frame(frame.drop(columns="reason"))


def test_an_entry_is_the_variant_where_there_is_one():
    frame = to_frame([MetricRow("", "dice", 1.0, "%")], **(NAMES | {"variant": "v"}))
    assert entries(frame).tolist() == ["v"]
    assert entries(to_frame([MetricRow("", "dice", 1.0, "%")], **NAMES)).tolist() == ["m"]
