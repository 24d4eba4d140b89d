"""The table of one analysis: an ablation, or another question that is put to the measures of all methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.ablation import ablation
from promptreg.calibration_table import COLUMNS, calibration_table
from promptreg.config import Config
from promptreg.consistency_table import consistency_table
from promptreg.efficiency import efficiency_table
from promptreg.robustness import robustness_table
from promptreg.stages.listing import subjects_in
from promptreg.stages.tables import published_numbers, write_table
from promptreg.tables import Table


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the table as CSV, Markdown and LaTeX beside `output`, which is its CSV."""
    table = analysis(Config.model_validate(job["config"]), job["name"], inputs)
    write_table(table, Path(output).parent, job["name"])


def analysis(config: Config, name: str, inputs: list[str]) -> Table:
    """Return the table of the analysis `name`; `inputs` start with measures, costs, pairs, published."""
    measures, subjects = pd.read_parquet(inputs[0]), subjects_in(inputs[2])
    if name in config.ablations:
        numbers = published_numbers(inputs[3])
        return ablation(measures, config, name, numbers=numbers, subjects=subjects)
    if name == "efficiency":
        return efficiency_table(measures, pd.read_parquet(inputs[1]), config.methods)
    if name == "calibration":
        parts = [part for part in map(pd.read_parquet, inputs[4:]) if len(part)]
        return calibration_table(pd.concat(parts) if parts else pd.DataFrame(columns=list(COLUMNS)))
    if name == "consistency":
        return consistency_table(measures, config.methods, subjects=subjects, seed=config.seed)
    return robustness_table(measures, config, subjects=subjects)


def titles(config: Config) -> dict[str, str]:
    """Return what each analysis of a configuration shows, by its name, in the order of the report."""
    found = {name: one.title for name, one in config.ablations.items()}
    if any(one.corrupt for one in config.datasets):
        found["robustness"] = "Robustness against known changes of one image"
    return found | {name: _TITLES[name] for name in config.analyses}


_TITLES = {
    "efficiency": "Accuracy against cost",
    "consistency": "Consistency of prompts and fields",
    "calibration": "Uncertainty against error",
}
