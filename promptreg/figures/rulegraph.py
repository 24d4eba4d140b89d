"""The workflow's rules as a layered graph, from the text of `snakemake --rulegraph`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from promptreg.figures.style import LOOK, PAGE_WIDTH, colors

Edge = tuple[str, str]
Place = tuple[int, float]

_NODE = re.compile(r'^\s*(\w+)\s*\[.*?label\s*=\s*"([^"]*)"', re.MULTILINE)
_EDGE = re.compile(r"^\s*(\w+)\s*->\s*(\w+)", re.MULTILINE)
SWEEPS = 12


@mpl.rc_context(LOOK)
def rule_graph(dot: str, *, palette: str = "colorblind") -> Figure:
    """Draw the graph of a DOT text: data flows from left to right, one column a step."""
    names, edges = parse_dot(dot)
    column = longest_paths(list(names), edges)
    chains = [_chain(tail, head, column) for tail, head in edges]
    places = layered_layout(column, [step for chain in chains for step in pairwise(chain)])
    heights = [y for _, y in places.values()]
    height = 0.3 * (max(heights) - min(heights)) + 0.5
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    ax = figure.subplots()
    hue = colors(1, palette)[0]
    for node, name in names.items():
        _draw_rule(ax, name, places[node], hue)
    for chain in chains:
        _draw_edge(ax, [places[node] for node in chain])
    ax.set_xlim(-0.5, max(column.values()) + 0.5)
    ax.set_ylim(max(heights) + 0.6, min(heights) - 0.6)
    ax.set_axis_off()
    return figure


def parse_dot(dot: str) -> tuple[dict[str, str], list[Edge]]:
    """Return the labels by node and the edges (tail, head) of a DOT text; ValueError if it has no node."""
    names = {node: label.split("\\n")[0] for node, label in _NODE.findall(dot)}
    if not names:
        msg = f"no labelled node: expected the output of `snakemake --rulegraph`, found {dot[:60]!r}"
        raise ValueError(msg)
    edges = [(tail, head) for tail, head in _EDGE.findall(dot) if tail in names and head in names]
    order = list(names)
    return names, sorted(set(edges), key=lambda edge: [order.index(node) for node in edge])


def longest_paths(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each node's column: its steps on the longest way from a source; CycleError on a cycle.

    A source stands just before the first node that needs it.
    """
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for tail, head in edges:
        before[head].append(tail)
        after[tail].append(head)
    column: dict[str, int] = {}
    for node in TopologicalSorter(before).static_order():
        column[node] = 1 + max((column[tail] for tail in before[node]), default=-1)
    sources = {n: min(column[m] for m in after[n]) - 1 for n in nodes if after[n] and not before[n]}
    return {node: sources.get(node, column[node]) for node in nodes}


def layered_layout(column: Mapping[str, int], edges: Sequence[Edge]) -> dict[str, Place]:
    """Return (column, height) of every node; edges join neighbouring columns.

    Barycentre sweeps, left to right and back, order each column so that few edges cross.
    """
    beside: dict[str, tuple[list[str], list[str]]] = {node: ([], []) for node in column}
    for tail, head in edges:
        beside[head][0].append(tail)
        beside[tail][1].append(head)
    order = list(column)
    layers = [[node for node in order if column[node] == x] for x in range(1 + max(column.values()))]
    height = {node: y for layer in layers for node, y in zip(layer, _centered(len(layer)), strict=True)}
    for sweep in range(SWEEPS):
        side = sweep % 2
        for layer in layers[::-1] if side else layers:
            pull = {n: float(np.mean([height[m] for m in beside[n][side]] or [height[n]])) for n in layer}
            layer.sort(key=lambda node: (pull[node], height[node]))
            height |= dict(zip(layer, _centered(len(layer)), strict=True))
    return {node: (column[node], height[node]) for node in order}


def _chain(tail: str, head: str, column: dict[str, int]) -> list[str]:
    """The nodes of an edge, with a waypoint added to `column` in every column that it crosses."""
    waypoints = {f"{tail}->{head}@{x}": x for x in range(column[tail] + 1, column[head])}
    column |= waypoints
    return [tail, *waypoints, head]


def _centered(count: int) -> list[float]:
    return [position - (count - 1) / 2 for position in range(count)]


def _draw_rule(ax: Axes, name: str, place: Place, hue: tuple[float, float, float]) -> None:
    pale = tuple(0.85 + 0.15 * channel for channel in hue)
    box = {"boxstyle": "round,pad=0.35", "facecolor": pale, "edgecolor": hue, "linewidth": 0.9}
    text = name.replace("_", "_\n", 1) if len(name) > 12 else name
    ax.text(*place, text, ha="center", va="center", fontsize=6.5, bbox=box, zorder=3)


def _draw_edge(ax: Axes, places: Sequence[Place]) -> None:
    """Draw a smooth line through the places, level at each; boxes lie above its ends."""
    vertices: list[tuple[float, float]] = [places[0]]
    for (x0, y0), (x1, y1) in pairwise(places):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
    path = Path(vertices, [Path.MOVETO, *[Path.CURVE4] * (len(vertices) - 1)])
    ax.add_patch(PathPatch(path, facecolor="none", lw=0.7, edgecolor="0.45", zorder=1))
