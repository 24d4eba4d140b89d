"""How consistent methods are: prompts that find back, fields that undo each other, folds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from promptreg.datasets.base import REVERSED
from promptreg.stats import Subjects
from promptreg.tables import Table, table1

METRICS = ("cycle", "accepted", "inverse_consistency", "folds", "sdlogj")


def consistency_table(
    frame: pd.DataFrame, methods: Sequence[str], *, subjects: Subjects | None = None, seed: int = 0
) -> Table:
    """Return the consistency of every method, a row each; `frame` is the tidy frame of measures.

    Pairs whose roles were exchanged serve the others' inverse consistency and are not shown. The data have a
    column `published`, which is false: none of them is another's.
    """
    ours = frame[~frame["pair"].str.endswith(REVERSED)]
    made = table1(ours, methods, metrics=METRICS, subjects=subjects, seed=seed)
    data = made.data.drop(columns="supervision").assign(published=False)
    rows = tuple((row[0], *row[2:]) for row in made.rows)
    return Table(data, (made.header[0], *made.header[2:]), rows, f"{_NOTE} {made.footnote}")


_NOTE = (
    "Returning prompts: found prompts, over all views, that lead back into the region that they came from. "
    "Accepted: prompts whose regions passed all tests. Inverse inconsistency: mean distance between a cell "
    "of the body and where the fields of both ways take it, the roles of the images exchanged."
)
