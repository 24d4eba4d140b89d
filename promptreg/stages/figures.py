"""Figures over all pairs: distributions of the measures, seconds by stage, the rule graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from promptreg.atomic import replacing
from promptreg.config import Config
from promptreg.figures.distributions import metric_distributions, stage_times
from promptreg.figures.rulegraph import rule_graph
from promptreg.figures.style import encode
from promptreg.stages.tables import costs
from promptreg.stats import case_values
from promptreg.tables import METRICS


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write one figure: `job["figure"]` is distributions, time or rulegraph; `inputs` its one source."""
    config = Config.model_validate(job["config"])
    style = config.figures
    draw = {"distributions": distributions, "time": times, "rulegraph": rules}[job["figure"]]
    with replacing(output) as path:
        path.write_bytes(encode(draw(inputs[0], config), style.format))


def distributions(source: str, config: Config) -> Figure:
    """Draw the distributions of the measures that were taken at all."""
    frame = pd.read_parquet(source)
    measured = [metric for metric in METRICS if frame.loc[frame["metric"] == metric, "value"].notna().any()]
    cases = case_values(frame, measured)
    return metric_distributions(cases, config.methods, metrics=measured, palette=config.figures.palette)


def times(source: str, config: Config) -> Figure:
    """Draw where the seconds went."""
    table = costs(pd.read_parquet(source), config)
    return stage_times(table.data, config.methods, palette=config.figures.palette)


def rules(source: str, config: Config) -> Figure:
    """Draw the rule graph from Snakemake's own dot text."""
    return rule_graph(Path(source).read_text(), palette=config.figures.palette)
