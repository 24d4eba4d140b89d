"""All tables from the measures of all methods, and what others have published, apart from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.comparison import outcomes
from promptreg.config import Config
from promptreg.disclosure import supervision_of
from promptreg.published import Number, frame, joined, read, tables
from promptreg.ranking import place_shares, ranking
from promptreg.stages.listing import subjects_in
from promptreg.stats import Subjects
from promptreg.table_formats import csv_text, latex_escape, to_csv, to_latex, to_markdown
from promptreg.table_statistics import per_pair, ranking_table, statistics_table
from promptreg.tables import METRICS, Table, groups_in, seconds_table, table1

WRITERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


@dataclass(frozen=True)
class Measured:
    """All tables of what was measured here, for people; `stability` and `pairs` are for machines alone."""

    table1: Table
    statistics: Table
    ranking: Table
    time: Table
    stability: pd.DataFrame
    pairs: pd.DataFrame

    @property
    def shown(self) -> Mapping[str, Table]:
        """The tables for people, by the name of their files."""
        return {name: getattr(self, name) for name in ("table1", "statistics", "ranking", "time")}


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write all tables beside `output`, which is table1.csv.

    `inputs` are the measures, the costs, the list of pairs and the published numbers.
    """
    measures, timings = pd.read_parquet(inputs[0]), pd.read_parquet(inputs[1])
    config = Config.model_validate(job["config"])
    made = measured(measures, timings, subjects_in(inputs[2]), config, job["seen"])
    folder = Path(output).parent
    for name, table in made.shown.items():
        write_table(table, folder, name)
    _write(folder / "rank_stability.csv", csv_text(made.stability))
    _write(folder / "per_pair.csv", csv_text(made.pairs))
    _write_published(published_numbers(inputs[3]), folder)


def measured(
    measures: pd.DataFrame, timings: pd.DataFrame, subjects: Subjects, config: Config, seen: list[list[str]]
) -> Measured:
    """Return the tables of a benchmark; `seen` lists method, dataset and group where data was trained on."""
    first = table1(
        measures,
        config.methods,
        supervision=supervision_of(config),
        seen={(method, dataset, group) for method, dataset, group in seen},
        prealign=config.prealign,
        subjects=subjects,
        seed=config.seed,
    )
    found, groups = outcomes(measures, METRICS), groups_in(measures)
    return Measured(
        first,
        statistics_table(first.data, groups),
        ranking_table(ranking(found, subjects=subjects, seed=config.seed), config.methods, groups),
        seconds_table(timings, config.methods),
        place_shares(found, subjects=subjects, seed=config.seed),
        per_pair(measures),
    )


def write_table(table: Table, folder: Path, name: str) -> None:
    """Write a table in every format, each file whole or not at all."""
    for suffix, writer in WRITERS.items():
        _write(folder / f"{name}.{suffix}", writer(table))


def published_numbers(path: str) -> list[Number]:
    """Return the numbers that others have published, checked."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return read(stream)


def _write_published(numbers: list[Number], folder: Path) -> None:
    parts = tables(numbers)
    texts = {
        "csv": frame(numbers).to_csv(index=False, lineterminator="\n"),
        "md": joined({title: to_markdown(one) for title, one in parts.items()}),
        "tex": joined({latex_escape(title): to_latex(one) for title, one in parts.items()}),
    }
    for suffix, text in texts.items():
        _write(folder / f"published.{suffix}", text)


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
