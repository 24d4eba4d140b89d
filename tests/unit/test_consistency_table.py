from __future__ import annotations

import pandas as pd
import pytest

from promptreg.consistency_table import consistency_table
from promptreg.records import MetricRow, to_frame


def results() -> pd.DataFrame:
    frames = []
    for n in range(6):
        for method, variant in (("affine", ""), ("promptreg", "promptreg")):
            for suffix in ("", "_reversed"):
                rows = [MetricRow("", "folds", 0.5, "%"), MetricRow("a", "dice", 70.0, "%")]
                if variant:
                    rows += [MetricRow("", "cycle", 60.0 + n, "%"), MetricRow("", "accepted", 75.0, "%")]
                if not suffix:
                    rows.append(MetricRow("", "inverse_consistency", 3.0 if variant else 0.5, "px"))
                group = f"g{', reversed' if suffix else ''}"
                keys = {"dataset": "d", "group": group, "method": method, "variant": variant}
                frames.append(to_frame(rows, pair=f"p{n}{suffix}", **keys))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def table():
    return consistency_table(results(), ["affine", "promptreg"])


def test_methods_without_prompts_have_no_cycle_and_exchanged_pairs_no_columns(table):
    assert table.header == (
        ("", "method"),
        *(("g", title) for title in ("returning prompts (%)", "accepted (%)", "inverse inconsistency (px)")),
        *(("g", title) for title in ("folds (%)", "pairs")),
    )
    assert [cell.text for cell in table.rows[0]] == ["affine", "–", "–", "0.50 ± 0.00", "0.50 ± 0.00", "6/6"]
    assert [cell.text for cell in table.rows[1]][:3] == ["promptreg", "62.50 ± 1.71", "75.00 ± 0.00"]


def test_the_field_that_is_undone_better_is_the_best(table):
    best = table.data[table.data["best"] & (table.data["metric"] == "inverse_consistency")]
    assert best["entry"].tolist() == ["affine"]
    assert not table.data["published"].any()
