"""Write a table as CSV for machines, and as Markdown, LaTeX and HTML for people."""

from __future__ import annotations

from html import escape
from itertools import groupby

import pandas as pd
from tabulate import tabulate

from promptreg.tables import Cell, Table

SHORT = 24
"""Characters that a cell of a page shows on one line."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
    "∞": r"$\infty$",
    "†": r"\dag{}",
}


def to_csv(table: Table) -> str:
    """Return the machine-readable values, six significant digits, an empty cell where undefined."""
    return csv_text(table.data)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame with six significant digits; undefined values are empty, infinite ones `inf`."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def to_markdown(table: Table) -> str:
    """Return a pipe table with the footnote beneath; foreign cells are in italics."""

    def text(cell: Cell) -> str:
        safe = cell.text.replace("|", r"\|").replace("*", r"\*").replace("_", r"\_")
        return f"**{safe}**" if cell.bold else f"*{safe}*" if cell.foreign else safe

    header = [f"{group}: {title}" if group else title for group, title in table.header]
    body = tabulate(
        [[text(cell) for cell in row] for row in table.rows],
        [title.replace("|", r"\|") for title in header],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left", *["right"] * (len(header) - 1)] if table.rows else None,
    )
    note = table.footnote.replace("*", r"\*")
    return f"{body}\n\n{note}\n" if note else f"{body}\n"


def to_latex(table: Table) -> str:
    """Return a `tabular` for the booktabs package, with the footnote as a last row over all columns.

    Foreign cells are grey, which takes the package xcolor.
    """
    n_columns = len(table.header)
    spans = [(group, len(list(part))) for group, part in groupby(group for group, _ in table.header)]
    tops = [
        rf"\multicolumn{{{n}}}{{c}}{{{latex_escape(group)}}}" if group else " & " * (n - 1)
        for group, n in spans
    ]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (n_columns - 1)}}}",
        r"\toprule",
        *([" & ".join(tops) + r" \\"] if any(group for group, _ in spans) else []),
        " & ".join(latex_escape(title) for _, title in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
    ]
    if table.footnote:
        note = rf"\footnotesize {latex_escape(table.footnote)}"
        lines.append(rf"\multicolumn{{{n_columns}}}{{p{{\linewidth}}}}{{{note}}} \\")
    return "\n".join([*lines, r"\end{tabular}", ""])


def to_html(table: Table) -> str:
    """Return a `<table>` with grouped heads, and the footnote as its caption below."""
    spans = [(group, len(list(part))) for group, part in groupby(group for group, _ in table.header)]
    tops = "".join(f'<th colspan="{n}" scope="colgroup">{escape(group)}</th>' for group, n in spans)
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for _, title in table.header)
    rows = "\n".join("<tr>" + "".join(_html_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    caption = f"<caption><span>{escape(table.footnote)}</span></caption>\n" if table.footnote else ""
    top = f"<tr>{tops}</tr>\n" if any(group for group, _ in spans) else ""
    return f"<table>\n{caption}<thead>\n{top}<tr>{titles}</tr>\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def latex_escape(text: str) -> str:
    """Return `text` with the characters that LaTeX reserves replaced."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_cell(cell: Cell) -> str:
    text = latex_escape(cell.text)
    if cell.foreign:
        return rf"\textcolor{{gray}}{{{text}}}"
    return rf"\textbf{{\boldmath {text}}}" if cell.bold else text


def _html_cell(cell: Cell) -> str:
    """A cell; numbers stay on one line, reasons may break."""
    text = f"<strong>{escape(cell.text)}</strong>" if cell.bold else escape(cell.text)
    classes = [
        name for name, holds in (("short", len(cell.text) <= SHORT), ("foreign", cell.foreign)) if holds
    ]
    return f'<td class="{" ".join(classes)}">{text}</td>' if classes else f"<td>{text}</td>"
