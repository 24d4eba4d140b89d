"""Where the hours and the memory went, by rule of the workflow."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from promptreg.figures.style import LOOK, PAGE_WIDTH, colors

MB_PER_GB = 1024


@mpl.rc_context(LOOK)
def rule_costs(costs: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw hours of work and peak memory as bars, a row a rule, the longest on top.

    `costs` has the columns of `promptreg.costs.RuleCost`: rule, jobs, hours, gpu_hours (a part of the
    hours), memory_mb.
    """
    ordered = costs.sort_values("hours", kind="stable")
    rows = range(len(ordered))
    figure = Figure(figsize=(PAGE_WIDTH, 0.24 * len(ordered) + 0.9), layout="constrained")
    time, memory = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    alone, on_gpu, resident = colors(3, palette)
    without = ordered["hours"] - ordered["gpu_hours"]
    time.barh(rows, without, color=alone, label="on CPUs", height=0.7)
    time.barh(rows, ordered["gpu_hours"], left=without, color=on_gpu, label="on a GPU", height=0.7)
    for row, (hours, jobs) in enumerate(zip(ordered["hours"], ordered["jobs"], strict=True)):
        time.text(hours, row, f" {hours:.3g} h, {jobs} job{'s' * (jobs != 1)}", va="center", fontsize=7)
    time.set_yticks(rows, ordered["rule"])
    time.set_xlabel("wall-clock hours of all jobs")
    time.margins(x=0.25)
    if ordered["gpu_hours"].any():
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    memory.barh(rows, ordered["memory_mb"] / MB_PER_GB, color=resident, height=0.7)
    memory.set_xlabel("peak memory of a job (GB)")
    return figure
