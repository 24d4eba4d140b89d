"""Statistics of the benchmark, computed once; tables and figures only show them.

Structures are averaged to one value a pair, pairs to mean and population SD. An entry is a row of a
table: a baseline, or a variant of PromptReg. Methods are compared in `promptreg.comparison`, ranked in
`promptreg.ranking`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from promptreg.records import check_frame, entries
from promptreg.resampling import Who, interval, weighted_means
from promptreg.seeds import derive_seed
from promptreg.units import apart_by_unit

HIGHER_IS_BETTER = frozenset({"dice", "nsd", "cycle", "accepted"})
SD_KIND = "population SD over pairs"
GROUP = ["dataset", "group"]
ENTRY = [*GROUP, "entry"]
Subjects = Mapping[tuple[str, str], Who]
"""Who was imaged, by data set and pair; a pair that is not there shares nobody with another."""


def case_values(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Average the structures of each pair: one row a dataset, group, entry, pair and metric.

    Undefined values (NaN) are left out of a pair's mean, which is NaN where none is defined. Columns:
    dataset, group, entry, pair, metric, unit, value. A metric that a group has in several units is named by
    them, see `units.apart_by_unit`.
    """
    check_frame(frame)
    chosen = apart_by_unit(frame, metrics)
    chosen = chosen.assign(entry=entries(chosen))
    grouped = chosen.groupby([*ENTRY, "pair", "metric"], sort=False)
    cases = grouped.agg(unit=("unit", first_nonempty), value=("value", "mean"))
    return cases.reset_index()


def summarize(cases: pd.DataFrame, *, subjects: Subjects | None = None, seed: int = 0) -> pd.DataFrame:
    """Summarize the pairs of every dataset, group, entry and metric.

    Returns the columns dataset, group, entry, metric, unit, n (defined values), n_undefined, mean, sd
    (population), median, ci_low, ci_high (95 % bootstrap interval of the mean, see `promptreg.resampling`;
    NaN where there is nothing to draw).
    """
    rows = []
    for key, part in cases.groupby([*ENTRY, "metric"], sort=False):
        defined = part.dropna(subset="value")
        values = defined["value"].to_numpy()
        low, high = interval(
            values,
            who(str(key[0]), defined["pair"], subjects),
            weighted_means,
            seed=bootstrap_seed(seed, *map(str, key[:2])),
        )
        spread = (values.mean(), values.std(), np.median(values)) if len(values) else (np.nan,) * 3
        rows.append(
            (*key, first_nonempty(part["unit"]), len(values), len(part) - len(values), *spread, low, high)
        )
    names = ["metric", "unit", "n", "n_undefined", "mean", "sd", "median", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*ENTRY, *names])


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the pairs of every dataset, group and entry, and those that gave no full result.

    Returns the columns dataset, group, entry, n_pairs, n_failed, n_not_run, n_empty, n_absent (pairs with
    an empty or absent structure), and reason: the distinct reasons of failure, most frequent first.
    """
    check_frame(frame)
    named = frame.assign(entry=entries(frame))
    rows = []
    for key, part in named.groupby(ENTRY, sort=False):
        n = {status: part.loc[part["status"] == status, "pair"].nunique() for status in _COUNTED}
        failures = part.loc[part["metric"] == "registration", "reason"].value_counts()
        reasons = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
        rows.append((*key, part["pair"].nunique(), *n.values(), "; ".join(str(r) for r, _ in reasons)))
    return pd.DataFrame(rows, columns=[*ENTRY, "n_pairs", *_COUNTED.values(), "reason"])


def who(dataset: str, pairs: Iterable[str], subjects: Subjects | None) -> list[Who]:
    """Return the subjects of pairs of a data set; a pair of whom nothing is known is a subject of its own."""
    known = subjects or {}
    return [known.get((dataset, pair), (f"pair {pair}", f"pair {pair}")) for pair in pairs]


def bootstrap_seed(seed: int, dataset: str, group: str) -> int:
    """Return the seed of the draws of subjects in a group: the same for all its methods and measures."""
    return derive_seed(seed, dataset, group, "bootstrap")


def first_nonempty(units: pd.Series) -> str:
    """Return the unit of a group of rows; rows without a value may lack one."""
    return next((unit for unit in units if unit), "")


_COUNTED = {"failed": "n_failed", "not run": "n_not_run", "empty": "n_empty", "absent": "n_absent"}
