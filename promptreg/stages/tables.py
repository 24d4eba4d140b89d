"""Table 1 from the measures of all methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.config import Config
from promptreg.disclosure import supervision_of
from promptreg.table_formats import to_csv, to_latex, to_markdown
from promptreg.tables import Table, seconds_table, table1

WRITERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write table1.csv, .md and .tex beside `output` (the CSV) from the gathered measures."""
    table = comparison(pd.read_parquet(inputs[0]), Config.model_validate(job["config"]), job["seen"])
    for suffix, text in ((suffix, writer(table)) for suffix, writer in WRITERS.items()):
        with replacing(Path(output).with_suffix(f".{suffix}")) as path:
            path.write_text(text)


def comparison(frame: pd.DataFrame, config: Config, seen: list[list[str]]) -> Table:
    """Return Table 1 of a benchmark; `seen` lists method, dataset and group where data was trained on."""
    return table1(
        frame,
        config.methods,
        supervision=supervision_of(config),
        seen={(method, dataset, group) for method, dataset, group in seen},
        prealign=config.prealign,
        seed=config.seed,
    )


def costs(frame: pd.DataFrame, config: Config) -> Table:
    """Return the table of seconds per pair and stage."""
    return seconds_table(frame, config.methods)
