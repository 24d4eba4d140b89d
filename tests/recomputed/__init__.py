"""Compute every number of every table again from the measures, and compare it with what was written.

It shares no code with the package: pandas, numpy and the standard library alone. From a shell, in `tests`:

    python -m recomputed ../results [seed]
"""

from __future__ import annotations

from pathlib import Path

from recomputed.analyses import compare_analyses
from recomputed.cases import Cases
from recomputed.ranking import compare_ranking
from recomputed.results import Results, compare_latex
from recomputed.tables import METRICS, compare_per_pair, compare_statistics, compare_time

__all__ = ["check"]


def check(folder: Path, seed: int = 0) -> int:
    """Compare all tables of a results folder; return how many numbers were compared."""
    results = Results(Path(folder), seed)
    table1, ranks = {}, {}
    for key in results.groups:
        for metric in METRICS:
            cases = Cases(results, key, metric)
            for entry in cases.entries:
                table1[(entry, *key, metric)] = cases.summary(entry)
            ranks |= cases.ranks()
    compare_statistics(results, table1)
    compare_ranking(results, ranks)
    compare_per_pair(results)
    compare_time(results)
    for name in ("table1", "statistics", "ranking", "time"):
        compare_latex(results, name)
    compare_analyses(results)
    return results.n_compared
