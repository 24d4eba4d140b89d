"""One look for all figures, and figures as reproducible bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

PAGE_WIDTH = 7.2
"""Width of a full-page figure, inches."""
GREY = "#7f7f7f"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
STROKES = ("-", "--", "-.", ":")
MOVING_TINT, FIXED_TINT = (1.0, 0.45, 0.0), (0.0, 0.55, 1.0)
"""Orange and blue add to white and stay apart for every kind of colour vision."""
LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.2,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "promptreg",
    # Names of groups, files and methods are users': a dollar among them is a dollar, and breaks no figure.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def colors(n: int, palette: str) -> list[tuple[float, float, float]]:
    """Return n colours of a seaborn palette; beyond its length come the same darker, then lighter, then anew.

    Lightness is seen alike by every kind of colour vision, which further hues are not.
    """
    base = np.array(sns.color_palette(palette))
    tones = np.concatenate([base, 0.55 * base, 1 - 0.45 * (1 - base)])
    return [(float(r), float(g), float(b)) for r, g, b in (tones[k % len(tones)] for k in range(n))]


def line_of(names: Sequence[str], palette: str) -> dict[str, dict[str, Any]]:
    """Return each name's colour, marker and line style for `Axes.plot`; no two of forty are alike.

    Colours come round after a palette's length, where markers move on by one and lines are broken otherwise.
    """
    base = sns.color_palette(palette)
    turns = [divmod(number, len(base)) for number in range(len(names))]
    return {
        name: {
            "color": base[place],
            "marker": MARKERS[(place + turn) % len(MARKERS)],
            "linestyle": STROKES[turn % len(STROKES)],
        }
        for name, (turn, place) in zip(names, turns, strict=True)
    }


def color_of(names: Sequence[str], palette: str) -> dict[str, tuple[float, float, float]]:
    """Return each name's colour, the same in all figures that are given the same order."""
    return dict(zip(names, colors(len(names), palette), strict=True))


def plain_log_ticks(axis: Axis) -> None:
    """Label a logarithmic axis by plain numbers: its own labels are mathematics, which is not read."""
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter())


def encode(figure: Figure, fmt: str) -> bytes:
    """Return the figure as PNG, SVG or PDF bytes without dates; equal figures give equal bytes."""
    if fmt not in _METADATA:
        msg = f"unknown figure format '{fmt}': expected {', '.join(_METADATA)} (key figures.format)"
        raise ValueError(msg)
    buffer = io.BytesIO()
    with mpl.rc_context(LOOK):
        figure.savefig(buffer, format=fmt, metadata=_METADATA[fmt], bbox_inches="tight", pad_inches=0.03)
    return buffer.getvalue()
