"""Draw the worst, the median and the best pair of every method, by the first measure of its application."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from promptreg.atomic import replacing
from promptreg.comparison import outcomes
from promptreg.extremes import extreme_pairs
from promptreg.figures.extremes import Case, case_rows
from promptreg.figures.style import encode
from promptreg.records import entries
from promptreg.stages.inputs import Inputs, NoResult
from promptreg.tables import METRICS, title_of
from promptreg.types import Pair

INDEX = "index.csv"


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write a picture an application and method into the folder `output`, and `index.csv` of what they show.

    `inputs` are the measures, then the pairs, images and ddf stores of one data set.
    """
    folder, style = Path(output), job["figures"]
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.read_parquet(inputs[0])
    frame = frame[frame["dataset"] == job["dataset"]]
    chosen = extreme_pairs(outcomes(frame, METRICS), METRICS)
    chosen = chosen[chosen["entry"].isin(job["methods"])]
    source = _Source(frame, inputs[1:])
    rows = []
    for number, ((group, entry), part) in enumerate(chosen.groupby(["group", "entry"], sort=False)):
        cases = [case for _, row in part.iterrows() if (case := source.case(row))]
        if cases:
            name = f"{number:03d}.{style['format']}"
            with replacing(folder / name) as path:
                path.write_bytes(encode(case_rows(cases, palette=style["palette"]), style["format"]))
            rows.append((name, group, entry, title_of(part.iloc[0]["metric"]), len(cases)))
    with replacing(folder / INDEX) as path:
        pd.DataFrame(rows, columns=["file", "group", "method", "measure", "n"]).to_csv(path, index=False)


class _Source:
    """Pairs with their labels and fields, from the stores."""

    def __init__(self, frame: pd.DataFrame, paths: list[str]) -> None:
        fields = [path for path in map(Path, paths) if path.parts[-4] == "ddf"]
        self._stores = Inputs([path for path in paths if Path(path) not in fields])
        methods = dict.fromkeys(path.parts[-3] for path in fields)
        self._fields = {name: Inputs([p for p in fields if p.parts[-3] == name]) for name in methods}
        lost = frame[frame["metric"] == "registration"]
        self._reasons = dict(zip(zip(entries(lost), lost["pair"], strict=True), lost["reason"], strict=True))
        self._pair = lru_cache(maxsize=4)(self._read_pair)

    def case(self, row: pd.Series) -> Case | None:
        """Return one pair of one method; None where its images could not be read."""
        try:
            pair, record = self._pair(row["pair"])
        except NoResult:
            return None
        value = "failed" if pd.isna(row["value"]) else f"{row['value']:.1f} {row['unit']}".strip()
        title = f"{row['kind']}, {title_of(row['metric'])} {value}: {row['pair']}"
        try:
            field = self._fields[row["entry"]].ddf(row["pair"])
        except NoResult as reason:
            return Case(title, pair, self._reasons.get((row["entry"], row["pair"]), str(reason)))
        labels = {name: record[name].values for name in ("moving_labels", "fixed_labels") if name in record}
        return Case(title, pair, field, **labels)

    def _read_pair(self, name: str) -> tuple[Pair, xr.Dataset]:
        return self._stores.pair(name), self._stores.read("pairs", name)
