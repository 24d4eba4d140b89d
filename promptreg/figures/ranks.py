"""Rankings: which methods can be told apart, and how steady their places are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, color_of
from promptreg.stats import GROUP
from promptreg.tables import title_of

ROW = 0.165
"""Height of a line of text, inches."""
BAR = 0.4
"""Distance of two bars of methods that cannot be told apart, lines."""
MOST_NUMBERS = 14
"""So many places have numbers that do not touch."""
MANY = 8
"""More methods than these need wider panels."""
LARGEST = 0.86
"""Diameter of the bubble of share 1, of the smaller side of its cell."""
Panel = tuple[str, pd.DataFrame]


@mpl.rc_context(LOOK)
def critical_differences(
    ranks: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind"
) -> Figure:
    """Draw the mean ranks of every application and measure, joined where they cannot be told apart.

    `ranks` is that of `ranking.ranking`. Methods keep their colour; those that were not ranked are left out.
    """
    hues = color_of(list(methods), palette)
    panels = list(_panels(ranks[ranks["mean_rank"].notna() & ranks["entry"].isin(hues)]))
    if not panels:
        return _nothing("No method was ranked")
    lines = [_lines(part) for _, part in panels]
    n_columns = 1 if len(methods) > MANY else 2
    heights = [max(lines[i : i + n_columns]) + 3.6 for i in range(0, len(lines), n_columns)]
    figure = Figure(figsize=(PAGE_WIDTH, ROW * sum(heights)), layout="constrained")
    rows = figure.subplots(len(heights), n_columns, squeeze=False, height_ratios=heights)
    for ax in rows.flat:
        ax.set_axis_off()
    for ax, height, (title, part) in zip(rows.flat, np.repeat(heights, n_columns), panels, strict=False):
        ax.set_title(title, fontsize=7.5)
        _draw_ranks(ax, part.sort_values("mean_rank", kind="stable"), hues, height - 3.6)
    return figure


@mpl.rc_context(LOOK)
def rank_stability(shares: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw how often every method takes every place over draws of subjects, as areas of bubbles.

    `shares` is that of `ranking.place_shares`; methods keep their order and colour, and one that was not
    ranked keeps its empty row.
    """
    hues = color_of(list(methods), palette)
    panels = list(_panels(shares[shares["entry"].isin(hues)]))
    if not panels:
        return _nothing("No application has subjects to draw from")
    n_columns = min(2 if len(methods) > MANY else 4, len(panels))
    n_rows = ceil(len(panels) / n_columns)
    names = 0.065 * max(map(len, methods)) + 0.15
    cell = (ROW, (PAGE_WIDTH - names - 0.2 * n_columns) / n_columns / (len(methods) + 0.2))
    figure = Figure(figsize=(PAGE_WIDTH, n_rows * (ROW * len(methods) + 0.62)), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, part) in zip(axes.flat, panels, strict=False):
        _draw_bubbles(ax, part[part["share"] > 0], hues, (LARGEST * 72 * min(cell)) ** 2)
        ax.set_title("\n".join(title.rsplit(": ", 1)), fontsize=7.5)
    for ax in axes[-1, :]:
        ax.set_xlabel("place")
    return figure


def _panels(frame: pd.DataFrame) -> Iterator[Panel]:
    """The title and the rows of every application and measure."""
    for (dataset, group, metric), part in frame.groupby([*GROUP, "metric"], sort=False):
        yield f"{group or dataset}: {title_of(str(metric))}", part


def written_places(n: int) -> list[int]:
    """Return which of n places have a number on an axis: all, or the first and every fifth of many."""
    return list(range(1, n + 1)) if n <= MOST_NUMBERS else [1, *range(5, n + 1, 5)]


def _nothing(text: str) -> Figure:
    figure = Figure(figsize=(PAGE_WIDTH, 0.5))
    figure.text(0.02, 0.5, text, va="center")
    return figure


def _joined(part: pd.DataFrame) -> list[tuple[float, float]]:
    """Mean ranks of the best and the worst of each set of two or more that share a letter."""
    found: dict[str, list[float]] = {}
    for letters, rank in zip(part["alike"], part["mean_rank"], strict=True):
        for letter in re.findall(r"((.)\2*)", letters):
            found.setdefault(letter[0], []).append(rank)
    return [(min(one), max(one)) for one in found.values() if len(one) > 1]


def _lines(part: pd.DataFrame) -> float:
    """Lines of text beneath the axis."""
    return BAR * len(_joined(part)) + ceil(len(part) / 2) + 0.6


def _draw_ranks(
    ax: Axes, part: pd.DataFrame, hues: dict[str, tuple[float, float, float]], lines: float
) -> None:
    """Draw an axis of ranks with names on both sides, best to the left; y is in lines of text."""
    n, first = len(part), part.iloc[0]
    width = max(n - 1, 1)
    ax.set_xlim(1 - 1.05 * width, n + 1.05 * width)
    ax.set_ylim(-lines, 1.9)
    ax.plot([1, n], [0, 0], color="black", lw=0.8)
    for place in range(1, n + 1):
        ax.plot([place, place], [0, 0.22], color="black", lw=0.8)
        if place in written_places(n):
            ax.text(place, 0.3, str(place), ha="center", va="bottom", fontsize=6)
    bars = _joined(part)
    for level, (best, worst) in enumerate(bars):
        y = -BAR * (level + 0.8)
        ax.plot([best - 0.01 * width, worst + 0.01 * width], [y, y], color="black", lw=2.2)
    for position, (name, rank) in enumerate(zip(part["entry"], part["mean_rank"], strict=True)):
        left = position < ceil(n / 2)
        y = -BAR * len(bars) - 0.9 - (position if left else n - 1 - position)
        edge = 1 - 0.08 * width if left else n + 0.08 * width
        ax.plot([rank, rank, edge], [0, y, y], color=hues[name], lw=0.9)
        text = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
        ax.text(
            edge + (-1 if left else 1) * 0.02 * width,
            y,
            text,
            ha="right" if left else "left",
            va="center",
            fontsize=6.5,
        )
    _draw_difference(ax, n, first)


def _draw_difference(ax: Axes, n: int, first: pd.Series) -> None:
    """Draw the critical difference above the axis, and say what was tested."""
    difference, p, pairs = first["critical_difference"], first["friedman_p"], f"n = {first['n_pairs']}"
    if np.isnan(p):
        ax.text((1 + n) / 2, 1.35, f"{pairs}, not tested", ha="center", va="bottom", fontsize=6, color=GREY)
        return
    tested = f"Friedman p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
    ax.plot([1, 1 + difference], [1.45, 1.45], color="black", lw=1.2)
    for end in (1, 1 + difference):
        ax.plot([end, end], [1.3, 1.6], color="black", lw=0.8)
    ax.text(1 + difference, 1.45, f"  CD {difference:.2f}; {pairs}, {tested}", va="center", fontsize=6)


def _draw_bubbles(
    ax: Axes, part: pd.DataFrame, hues: dict[str, tuple[float, float, float]], largest: float
) -> None:
    rows = {name: row for row, name in enumerate(hues)}
    ax.scatter(
        part["place"],
        part["entry"].map(rows),
        s=largest * part["share"],
        c=[hues[name] for name in part["entry"]],
        linewidths=0,
    )
    ax.set_yticks(range(len(hues)), list(hues))
    ax.set_ylim(len(hues) - 0.5, -0.5)
    ax.set_xlim(0.4, len(hues) + 0.6)
    ax.set_xticks(written_places(len(hues)))
    ax.grid(alpha=0.35)
    ax.set_axisbelow(True)
