"""The measures and the written tables of a results folder."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

TEX = {
    r"\textbackslash{}": "\\", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\{": "{",
    r"\}": "}", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", "$<$": "<", "$>$": ">", r"$\pm$": "±",
    "--": "–", "$-$": "−", r"$\infty$": "∞", r"\dag{}": "†",
}  # fmt: skip


class Results:
    """The measures of a benchmark, its pairs and its tables."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.n_compared = folder, seed, 0
        self.frame = pd.read_parquet(folder / "metrics.parquet")
        variant, method = self.frame["variant"].astype(str), self.frame["method"].astype(str)
        self.frame["entry"] = np.where(variant == "", method, variant)
        listed = self.csv("../pairs.csv")
        self.subjects = {
            (one.dataset, one.pair): (str(one.moving_subject), str(one.fixed_subject))
            for one in listed.itertuples()
        }
        of_group = self.frame.groupby(["dataset", "group"], sort=False)
        self.rows = {(str(key[0]), str(key[1])): rows for key, rows in of_group}
        self.groups = list(self.rows)

    def csv(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "tables" / name, keep_default_na=False, na_values={"": ""}).pipe(
            _texts
        )

    def same(self, what: object, found: object, expected: float) -> None:
        """Compare a written number with a computed one; both may be undefined."""
        number = float("nan") if found == "" else float(str(found))
        close = math.isclose(number, expected, rel_tol=2e-5, abs_tol=1e-9)
        assert close or (math.isnan(number) and math.isnan(expected)), f"{what}: {number}, found {expected}"
        self.n_compared += 1


def compare_latex(results: Results, name: str) -> None:
    """Every cell of the LaTeX table is that of the Markdown table."""
    text = (results.folder / "tables" / f"{name}.tex").read_text()
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    lines = [line.removesuffix(r" \\") for line in body.splitlines()]
    found = [
        [plain_latex(cell) for cell in re.split(r"(?<!\\) & |(?<=\\\\) & ", line)] for line in lines if line
    ]
    expected = markdown(results, name)
    assert found == expected, (name, [(a, b) for a, b in zip(found, expected, strict=False) if a != b][:3])
    results.n_compared += sum(map(len, found))


def plain_latex(cell: str) -> str:
    bold = re.fullmatch(r"\\textbf\{\\boldmath (.*)\}", cell)
    grey = re.fullmatch(r"\\textcolor\{gray\}\{(.*)\}", cell)
    text = bold[1] if bold else grey[1] if grey else cell
    for latex, plain in TEX.items():
        text = text.replace(latex, plain)
    return f"**{text}**" if bold else f"*{text}*" if grey else text


def markdown(results: Results, name: str) -> list[list[str]]:
    """The rows of a Markdown table, without escapes; bold cells keep their asterisks."""
    lines = (results.folder / "tables" / f"{name}.md").read_text().splitlines()
    table = [line for line in lines[2:] if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
    return [[re.sub(r"\\([|*_])", r"\1", cell) for cell in row] for row in rows]


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Empty cells of names are empty texts."""
    names = [
        one
        for one in ("dataset", "group", "pair", "entry", "metric", "unit", "alike", "reason")
        if one in frame
    ]
    return frame.astype(dict.fromkeys(names, object)).fillna(dict.fromkeys(names, ""))
