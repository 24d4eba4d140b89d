from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.report import Report, ReportFigure, ReportTable, problems, render, write_report
from promptreg.tables import Cell, Table

FIGURE = ReportFigure("Overlay <1>", "Before & after", b"\x89PNG fake")
TABLE = ReportTable(
    "Table 1", "All methods", Table(pd.DataFrame(), (("", "method"),), ((Cell("a < b"),),), "note")
)
WARNINGS = pd.DataFrame(
    [("d", "g", "m", "liver", "odd & ends")], columns=["dataset", "group", "entry", "label", "warning"]
)


def tidy(rows: list[MetricRow], pair: str) -> pd.DataFrame:
    return to_frame(rows, dataset="d", group="g", method="tool", variant="", pair=pair)


def lost() -> pd.DataFrame:
    frames = [tidy([unregistered("not run", "no <tool>")], pair) for pair in ("p1", "p2")]
    frames.append(
        tidy([MetricRow("x", "dice", 0, "%", "empty", "none left"), MetricRow("y", "dice", 9, "%")], "p3")
    )
    return pd.concat(frames)


def test_problems_gather_the_pairs_of_each_reason():
    rows = problems(lost())
    assert rows["status"].tolist() == ["not run", "empty"]
    assert rows["pairs"].tolist() == ["p1, p2", "p3"]
    assert rows["n_pairs"].tolist() == [2, 1]


def test_the_page_holds_tables_figures_reasons_and_settings_escaped():
    page = render(
        Report(
            "T & U",
            "Summary.",
            (TABLE,),
            (FIGURE,),
            problems(lost()),
            WARNINGS,
            "sigma: <0.1>",
            {"torch": "2"},
        )
    )
    for text in (
        "T &amp; U",
        "a &lt; b",
        "Overlay &lt;1&gt;",
        "no &lt;tool&gt;",
        "odd &amp; ends",
        "sigma: &lt;0.1&gt;",
    ):
        assert text in page
    assert base64.b64encode(FIGURE.content).decode() in page


def test_the_page_loads_nothing_from_elsewhere():
    page = render(Report("T", "S", (TABLE,), (FIGURE,)))
    assert not re.findall(r"https?://|<script|<link|@import|url\(", page)
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|data)="([^"]*)"', page))


def test_a_table_of_numbers_that_are_not_of_this_run_is_marked_as_such():
    page = render(Report("T", "S", (TABLE, replace(TABLE, title="Theirs", foreign=True))))
    assert re.findall(r'<h3>(.*?)</h3>|<div class="(wide.*?)">', page) == [
        *(("Table 1", ""), ("", "wide")),
        *(("Theirs", ""), ("", "wide foreign")),
    ]


class Balance(HTMLParser):
    """Checks that every opened element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_element_is_closed():
    parser = Balance()
    parser.feed(
        render(
            Report("T", "S", (TABLE,), (FIGURE,), problems(lost()), WARNINGS, "x", {"a": "b"}, {}, {"c": "d"})
        )
    )
    assert parser.open == []


def test_only_the_run_box_differs_between_two_runs():
    first, second = (render(Report("T", "S", (TABLE,), run={"started": when})) for when in ("now", "then"))
    assert first != second
    assert first.split('<section class="run">')[0] == second.split('<section class="run">')[0]


def test_a_report_of_nothing_says_that_nothing_is_missing():
    page = render(Report("T", "S"))
    assert "Every pair was registered" in page
    assert "Dice and centroid TRE agree" in page


def test_the_report_is_one_utf8_file(tmp_path):
    write_report(tmp_path / "deep" / "report.html", Report("Grün", "S"))
    assert "Grün" in (tmp_path / "deep" / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.html"]


def test_a_figure_of_unknown_format_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="figure 'x': unknown format 'bmp'"):
        ReportFigure("x", "", b"", "bmp").uri  # noqa: B018


def test_licences_of_data_and_data_sets_that_were_left_out_are_named():
    page = render(
        Report("T", "S", data_licences={"MR": "CC <BY>"}, left_out={"MR-Prostate": "ask the trial & wait"})
    )
    assert "Licences of data" in page
    assert '<th scope="row">MR</th><td>CC &lt;BY&gt;</td>' in page
    assert "data set <strong>MR-Prostate</strong> was left out: ask the trial &amp; wait." in page
    assert "left out" not in render(Report("T", "S"))
