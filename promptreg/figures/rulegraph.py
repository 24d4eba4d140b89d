"""The workflow's rules as a layered graph, from the text of `snakemake --rulegraph`."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from promptreg.figures.style import LOOK, PAGE_WIDTH, colors

_NODE = re.compile(r'^\s*(\w+)\s*\[.*?label\s*=\s*"([^"]*)"', re.MULTILINE)
_EDGE = re.compile(r"^\s*(\w+)\s*->\s*(\w+)", re.MULTILINE)
SWEEPS = 8


@mpl.rc_context(LOOK)
def rule_graph(dot: str, *, palette: str = "colorblind") -> Figure:
    """Draw the graph of a DOT text: data flows from left to right, one column a step of dependency."""
    names, edges = parse_dot(dot)
    places = layered_layout(list(names), edges)
    n_columns = 1 + max(x for x, _ in places.values())
    heights = [y for _, y in places.values()]
    figure = Figure(
        figsize=(PAGE_WIDTH, 0.42 * (max(heights) - min(heights) + 1) + 0.3), layout="constrained"
    )
    ax = figure.subplots()
    hues = colors(n_columns, palette)
    boxes = {}
    for node, (x, y) in places.items():
        box = {
            "boxstyle": "round,pad=0.35",
            "facecolor": (*hues[x], 0.22),
            "edgecolor": hues[x],
            "linewidth": 0.9,
        }
        boxes[node] = ax.text(
            x,
            y,
            names[node].replace("_", "_\n", 1) if len(names[node]) > 12 else names[node],
            ha="center",
            va="center",
            fontsize=6.5,
            bbox=box,
            zorder=3,
        )
    for tail, head in edges:
        (x0, _), (x1, _) = places[tail], places[head]
        bend = 0.0 if x1 - x0 == 1 else 0.12
        arrow = FancyArrowPatch(
            places[tail],
            places[head],
            arrowstyle="-|>",
            mutation_scale=6,
            lw=0.6,
            color="0.45",
            patchA=boxes[tail].get_bbox_patch(),
            patchB=boxes[head].get_bbox_patch(),
            connectionstyle=f"arc3,rad={bend}",
            zorder=1,
            shrinkA=1,
            shrinkB=1,
        )
        ax.add_patch(arrow)
    ax.set_xlim(-0.5, n_columns - 0.5)
    ax.set_ylim(max(heights) + 0.6, min(heights) - 0.6)
    ax.set_axis_off()
    return figure


def parse_dot(dot: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the labels by node and the edges (tail, head) of a DOT text; ValueError if it has no node."""
    names = {node: label.split("\\n")[0] for node, label in _NODE.findall(dot)}
    if not names:
        msg = f"no labelled node: expected the output of `snakemake --rulegraph`, found {dot[:60]!r}"
        raise ValueError(msg)
    edges = [(tail, head) for tail, head in _EDGE.findall(dot) if tail in names and head in names]
    return names, sorted(set(edges), key=lambda edge: [list(names).index(node) for node in edge])


def layered_layout(nodes: list[str], edges: list[tuple[str, str]]) -> dict[str, tuple[int, float]]:
    """Return (column, height) of every node of a directed graph without cycles.

    The column is the longest way from a source; heights follow from barycentre sweeps that untangle edges.
    """
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for tail, head in edges:
        before[head].append(tail)
        after[tail].append(head)
    column: dict[str, int] = {}
    for node in TopologicalSorter(before).static_order():
        column[node] = 1 + max((column[tail] for tail in before[node]), default=-1)
    layers = [[node for node in nodes if column[node] == x] for x in range(1 + max(column.values()))]
    height = {node: _centered(i, len(layer)) for layer in layers for i, node in enumerate(layer)}
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            pull = {n: float(np.mean([height[m] for m in neighbours[n]] or [height[n]])) for n in layer}
            layer.sort(key=lambda node: (pull[node], nodes.index(node)))
            height |= {node: _centered(i, len(layer)) for i, node in enumerate(layer)}
    return {node: (column[node], height[node]) for node in nodes}


def _centered(position: int, count: int) -> float:
    return position - (count - 1) / 2
