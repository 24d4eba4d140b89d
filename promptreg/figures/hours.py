"""Where the time and the memory went, by rule of the workflow."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from promptreg.figures.style import LOOK, PAGE_WIDTH, colors

MB_PER_GB = 1024
UNITS = {"hours": ("h", 1), "minutes": ("min", 60), "seconds": ("s", 3600)}
"""Units of time, the longest first: the abbreviation, and how many make an hour."""


@mpl.rc_context(LOOK)
def rule_costs(costs: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw time of work and peak memory as bars, a row a rule, the longest on top.

    The unit of time is the longest of which the longest row holds one. `costs` has the columns of
    `promptreg.costs.RuleCost`: rule, jobs, hours, gpu_hours (a part of the hours), memory_mb.
    """
    ordered = costs.sort_values("hours", kind="stable")
    rows = range(len(ordered))
    figure = Figure(figsize=(PAGE_WIDTH, 0.24 * len(ordered) + 0.9), layout="constrained")
    time, memory = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    alone, on_gpu, resident = colors(3, palette)
    unit = _unit(ordered["hours"].max())
    short, per_hour = UNITS[unit]
    total, with_gpu = ordered["hours"] * per_hour, ordered["gpu_hours"] * per_hour
    time.barh(rows, total - with_gpu, color=alone, label="on CPUs", height=0.7)
    time.barh(rows, with_gpu, left=total - with_gpu, color=on_gpu, label="on a GPU", height=0.7)
    for row, (taken, jobs) in enumerate(zip(total, ordered["jobs"], strict=True)):
        time.text(taken, row, f" {taken:.3g} {short}, {jobs} job{'s' * (jobs != 1)}", va="center", fontsize=7)
    time.set_yticks(rows, ordered["rule"])
    time.set_xlabel(f"wall-clock {unit} of all jobs")
    time.margins(x=0.25)
    if with_gpu.any():
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    memory.barh(rows, ordered["memory_mb"] / MB_PER_GB, color=resident, height=0.7)
    memory.set_xlabel("peak memory of a job (GB)")
    return figure


def _unit(hours: float) -> str:
    """The longest unit of which so many hours are one at least; seconds also for NaN."""
    return next((unit for unit, (_, per_hour) in UNITS.items() if hours * per_hour >= 1), "seconds")
