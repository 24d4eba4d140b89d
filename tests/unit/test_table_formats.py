from __future__ import annotations

import io

import pandas as pd

from promptreg.table_formats import latex_escape, to_csv, to_html, to_latex, to_markdown
from promptreg.tables import Cell, Table

TABLE = Table(
    pd.DataFrame({"entry": ["a_b", "c"], "mean": [1 / 3, float("nan")], "n": [4, 0]}),
    (("", "method"), ("MR & CT", "Dice (%)"), ("MR & CT", "pairs")),
    (
        (Cell("a_b"), Cell("0.33 ± 0.10*", bold=True), Cell("4/4")),
        (Cell("c"), Cell("not run (x < y | z)"), Cell("0/4")),
    ),
    "Mean ± SD; * p < 0.05.",
)


def test_the_csv_reads_back_with_its_numbers():
    frame = pd.read_csv(io.StringIO(to_csv(TABLE)))
    assert frame["mean"].round(6).tolist()[0] == 0.333333
    assert frame["mean"].isna().tolist() == [False, True]
    assert frame["n"].tolist() == [4, 0]


def test_markdown_has_one_line_a_row_and_escapes_its_own_signs():
    lines = to_markdown(TABLE).splitlines()
    assert lines[0].split("|")[2].strip() == "MR & CT: Dice (%)"
    assert r"**0.33 ± 0.10\***" in lines[2]
    assert r"x < y \| z" in lines[3]
    assert lines[-1] == r"Mean ± SD; \* p < 0.05."


def test_latex_groups_its_heads_and_escapes_reserved_characters():
    text = to_latex(TABLE)
    assert r"\multicolumn{2}{c}{MR \& CT}" in text
    assert r"a\_b & \textbf{\boldmath 0.33 $\pm$ 0.10*} & 4/4 \\" in text
    assert text.count(r"\\") == 5
    assert latex_escape("50 % ~ {x}") == r"50 \% \textasciitilde{} \{x\}"
    assert latex_escape("1.00†") == r"1.00\dag{}"


def test_every_latex_row_has_as_many_cells_as_the_header():
    rows = [line for line in to_latex(TABLE).splitlines() if line.endswith(r"4 \\")]
    assert [row.count(" & ") for row in rows] == [2, 2]


def test_html_escapes_text_and_spans_groups():
    text = to_html(TABLE)
    assert '<th colspan="2" scope="colgroup">MR &amp; CT</th>' in text
    assert '<td class="short"><strong>0.33 ± 0.10*</strong></td>' in text
    assert "x &lt; y" in text
