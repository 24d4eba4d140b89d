"""The table of one ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.ablation import ablation
from promptreg.config import Config
from promptreg.stages.listing import subjects_in
from promptreg.stages.tables import published_numbers, write_table


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the table as CSV, Markdown and LaTeX beside `output`, which is its CSV.

    `inputs` are the measures, the list of pairs and the published numbers.
    """
    table = ablation(
        pd.read_parquet(inputs[0]),
        Config.model_validate(job["config"]),
        job["name"],
        subjects=subjects_in(inputs[1]),
        numbers=published_numbers(inputs[2]),
    )
    write_table(table, Path(output).parent, job["name"])
