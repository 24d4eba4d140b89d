"""Table 1 from the measures of all methods, and what others have published, apart from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.config import Config
from promptreg.disclosure import supervision_of
from promptreg.published import Number, frame, joined, read, tables
from promptreg.table_formats import latex_escape, to_csv, to_latex, to_markdown
from promptreg.tables import Table, seconds_table, table1

WRITERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write table1.csv, .md and .tex from the gathered measures, and published.* from the published numbers.

    `inputs` are the measures and the published numbers; `output` is table1.csv, the rest lies beside it.
    """
    table = comparison(pd.read_parquet(inputs[0]), Config.model_validate(job["config"]), job["seen"])
    for suffix, writer in WRITERS.items():
        _write(Path(output).with_suffix(f".{suffix}"), writer(table))
    foreign = published_numbers(inputs[1])
    parts = tables(foreign)
    texts = {
        "csv": frame(foreign).to_csv(index=False, lineterminator="\n"),
        "md": joined({title: to_markdown(one) for title, one in parts.items()}),
        "tex": joined({latex_escape(title): to_latex(one) for title, one in parts.items()}),
    }
    for suffix, text in texts.items():
        _write(Path(output).with_name(f"published.{suffix}"), text)


def comparison(measures: pd.DataFrame, config: Config, seen: list[list[str]]) -> Table:
    """Return Table 1 of a benchmark; `seen` lists method, dataset and group where data was trained on."""
    return table1(
        measures,
        config.methods,
        supervision=supervision_of(config),
        seen={(method, dataset, group) for method, dataset, group in seen},
        prealign=config.prealign,
        seed=config.seed,
    )


def published_numbers(path: str) -> list[Number]:
    """Return the numbers that others have published, checked."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return read(stream)


def costs(timings: pd.DataFrame, config: Config) -> Table:
    """Return the table of seconds per pair and stage."""
    return seconds_table(timings, config.methods)


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
