"""Ablations: methods beside the settings in which they differ, and what the paper printed for the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pandas as pd

from promptreg.config import Ablation, Config
from promptreg.published import WARNING, Number, beside
from promptreg.settings import variant
from promptreg.stats import Subjects
from promptreg.tables import DASH, Table, ablation_table


def ablation(
    frame: pd.DataFrame,
    config: Config,
    name: str,
    *,
    numbers: Sequence[Number] = (),
    subjects: Subjects | None = None,
) -> Table:
    """Return the table of the ablation `name` of a configuration.

    `frame` is the tidy frame of measures, `numbers` what others have published; those that the ablation
    names stand in grey columns after ours. The data have a column for each factor, and `published`, which is
    true in the rows that are not ours.

    Raises:
        ValueError: no published table has the name that the ablation gives, or no row of it that of a method.
    """
    asked = config.ablations[name]
    made = ablation_table(
        frame, factors(config, asked), prealign=config.prealign, subjects=subjects, seed=config.seed
    )
    foreign = [one for one in numbers if asked.published and one.table == asked.published]
    _check_published(name, asked, foreign, numbers)
    notes = [asked.note, f"Grey columns: {asked.published}, {WARNING}." if foreign else ""]
    footnote = " ".join(text for text in (*notes, made.footnote) if text)
    return beside(replace(made, footnote=footnote), asked.rows, foreign)


def factors(config: Config, asked: Ablation) -> dict[str, dict[str, str]]:
    """Return the text of every factor of every row; a dash for a method that has no such setting."""
    found: dict[str, dict[str, str]] = {}
    for row in asked.rows:
        settings = variant(config, row) if row in config.variants else None
        found[row] = {
            title: _text(attrgetter(key)(settings)) if settings else DASH
            for title, key in asked.factors.items()
        }
    return found


def _text(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "∞" if value == float("inf") else f"{value:g}"
    return str(value)


def _check_published(
    name: str, asked: Ablation, foreign: Sequence[Number], numbers: Sequence[Number]
) -> None:
    if asked.published and not foreign:
        known = ", ".join(dict.fromkeys(one.table for one in numbers))
        raise ValueError(f"ablations.{name}.published: no table '{asked.published}'; known are {known}")
    methods = dict.fromkeys(one.method for one in foreign)
    for row, other in asked.rows.items():
        if other and other not in methods:
            known = ", ".join(methods) or "none, since `published` is empty"
            raise ValueError(f"ablations.{name}.rows.{row}: no published row '{other}'; known are {known}")
