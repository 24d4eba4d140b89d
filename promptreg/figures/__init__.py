"""Figures of the paper: functions from data to a matplotlib Figure.

No function here reads a file, opens a window or computes a statistic; `encode` turns a figure into bytes
that are the same at every run.
"""

from promptreg.figures.curves import adapter_curves, registration_curves, training_curves
from promptreg.figures.distributions import metric_distributions, stage_times
from promptreg.figures.hours import rule_costs
from promptreg.figures.methods import methods_side_by_side
from promptreg.figures.overlays import before_and_after
from promptreg.figures.prompts_rois import prompts_and_rois
from promptreg.figures.rulegraph import rule_graph
from promptreg.figures.style import encode
from promptreg.figures.uncertainty import uncertainty_maps

__all__ = [
    "adapter_curves",
    "before_and_after",
    "encode",
    "methods_side_by_side",
    "metric_distributions",
    "prompts_and_rois",
    "registration_curves",
    "rule_costs",
    "rule_graph",
    "stage_times",
    "training_curves",
    "uncertainty_maps",
]
