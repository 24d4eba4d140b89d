"""Figures over all pairs: distributions of the measures, ranks, seconds by stage, the rule graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from promptreg.config import Config
from promptreg.figures.ablations import ablation_curves, ablation_rows
from promptreg.figures.calibration import reliability_curves
from promptreg.figures.distributions import metric_distributions, stage_times
from promptreg.figures.efficiency import cost_accuracy
from promptreg.figures.hours import rule_costs
from promptreg.figures.ranks import critical_differences, rank_stability
from promptreg.figures.robustness import robustness_curves
from promptreg.figures.rulegraph import rule_graph
from promptreg.stages.figurefiles import write_figure
from promptreg.stats import case_values
from promptreg.tables import METRICS, seconds_table
from promptreg.units import in_order

TEXTS = ("dataset", "group", "entry", "metric", "alike", "kind", "unit", "error_unit", "predictor")


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the figure `job["figure"]` of `FIGURES` to `output`, and beside it for print; one source."""
    config = Config.model_validate(job["config"])
    figure = FIGURES[job["figure"]](inputs[0], config)
    write_figure(figure, Path(output).with_suffix(""), config.figures.model_dump())


def distributions(source: str, config: Config) -> Figure:
    """Draw the distributions of the measures that were taken at all."""
    frame = pd.read_parquet(source)
    cases = case_values(frame, METRICS)
    measured = in_order(cases.loc[cases["value"].notna(), "metric"], METRICS)
    return metric_distributions(cases, config.methods, metrics=measured, palette=config.figures.palette)


def ranks(source: str, config: Config) -> Figure:
    """Draw the mean ranks and the critical differences."""
    return critical_differences(_read(source), config.methods, palette=config.figures.palette)


def stability(source: str, config: Config) -> Figure:
    """Draw how steady the ranks are."""
    return rank_stability(_read(source), config.methods, palette=config.figures.palette)


def times(source: str, config: Config) -> Figure:
    """Draw where the seconds went."""
    table = seconds_table(pd.read_parquet(source), config.methods)
    return stage_times(table.data, config.methods, palette=config.figures.palette)


def hours(source: str, config: Config) -> Figure:
    """Draw what the jobs of each rule have cost."""
    return rule_costs(pd.read_csv(source), palette=config.figures.palette)


def ablations(source: str, config: Config) -> Figure:
    """Draw an ablation from its table, which has the name of it."""
    asked = config.ablations[Path(source).stem]
    data = pd.read_csv(source, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(asked.factors, str))
    data = data.fillna(dict.fromkeys(["unit", "group"], ""))
    if asked.curve:
        return ablation_curves(data, list(asked.factors), along=asked.curve, palette=config.figures.palette)
    return ablation_rows(data, palette=config.figures.palette)


def robustness(source: str, config: Config) -> Figure:
    """Draw measures against the level of known changes."""
    return robustness_curves(_read(source), config.methods, palette=config.figures.palette)


def efficiency(source: str, config: Config) -> Figure:
    """Draw accuracy against cost."""
    return cost_accuracy(_read(source), config.methods, palette=config.figures.palette)


def consistency(source: str, config: Config) -> Figure:
    """Draw how consistent methods are, one below the other."""
    return ablation_rows(_read(source), palette=config.figures.palette)


def calibration(source: str, config: Config) -> Figure:
    """Draw errors against what was foretold."""
    return reliability_curves(_read(source), config.methods, palette=config.figures.palette)


def rules(source: str, config: Config) -> Figure:
    """Draw the rule graph from Snakemake's own dot text."""
    return rule_graph(Path(source).read_text(), palette=config.figures.palette)


FIGURES = {
    "distributions": distributions,
    "ranks": ranks,
    "stability": stability,
    "time": times,
    "hours": hours,
    "rulegraph": rules,
    "ablation": ablations,
    "robustness": robustness,
    "efficiency": efficiency,
    "consistency": consistency,
    "calibration": calibration,
}


def _read(source: str) -> pd.DataFrame:
    """A table of the workflow; a name is a text, whatever it says."""
    frame = pd.read_csv(source, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXTS, str))
    names = [name for name in TEXTS if name in frame]
    return frame.fillna(dict.fromkeys(names, ""))
