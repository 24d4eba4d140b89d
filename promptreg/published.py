"""Numbers that others have published: read, checked, and shown apart from what was measured here.

They come from other data, other splits and other evaluators, so that no row of them may stand beside one of
ours. The file beside this module, `published.csv`, has one number a line, as printed at its source.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import isfinite
from typing import TextIO

import pandas as pd

from promptreg.tables import DASH, METRIC_TITLES, Cell, Table

WARNING = "as published, not comparable: other data, other splits"
TITLES = METRIC_TITLES | {"seconds": "seconds"}
_KEY = ("table", "data_set", "method", "measure")


@dataclass(frozen=True)
class Number:
    """One published number: `mean` with `sd` over `n` pairs, as far as the source states them.

    `table` says which table of numbers it belongs to; only those of one table and data set are comparable
    with each other. `note` says what a reader must know of it.
    """

    table: str
    data_set: str
    method: str
    measure: str
    mean: float
    sd: float | None
    n: int | None
    unit: str
    source: str
    note: str


COLUMNS = tuple(one.name for one in fields(Number))


def read(stream: TextIO) -> list[Number]:
    """Read and check the CSV.

    Raises:
        ValueError: other columns, a malformed line, one number twice, or two units in one column of a
            table; names the line.
    """
    reader = csv.DictReader(stream)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"published numbers: expected the columns {', '.join(COLUMNS)}")
    numbers: list[Number] = []
    keys: set[tuple[str, ...]] = set()
    units: dict[tuple[str, ...], str] = {}
    for row in reader:
        one = _number(row, reader.line_num)
        key = tuple(getattr(one, name) for name in _KEY)
        if key in keys:
            raise ValueError(
                f"published numbers, line {reader.line_num}: {', '.join(key)} stands there twice"
            )
        keys.add(key)
        column = (one.table, one.data_set, one.measure)
        if units.setdefault(column, one.unit) != one.unit:
            raise ValueError(f"published numbers, line {reader.line_num}: {column} has two units")
        numbers.append(one)
    return numbers


def frame(numbers: Sequence[Number]) -> pd.DataFrame:
    """Return the numbers as a frame, one a row, in the columns of the file."""
    return pd.DataFrame([astuple(one) for one in numbers], columns=list(COLUMNS))


def tables(numbers: Sequence[Number]) -> dict[str, Table]:
    """Return one table for people of each published table, by its title, in the order of the file."""
    titles = dict.fromkeys(one.table for one in numbers)
    return {title: _table([one for one in numbers if one.table == title]) for title in titles}


def joined(parts: Mapping[str, str]) -> str:
    """Put rendered tables (by title) beneath each other, each under its title and the warning."""
    return "\n".join(f"{title} ({WARNING}):\n\n{text}" for title, text in parts.items())


def beside(table: Table, rows: Mapping[str, str], numbers: Sequence[Number]) -> Table:
    """Add published numbers of one table to the columns of ours, in grey.

    `rows` says for each row of `table`, by its first cell, which published method it stands beside, "" for
    none. The data get these numbers as rows, of data set `Number.table` and group `Number.data_set`, and a
    column `published`.
    """
    columns = {(one.data_set, one.measure): one.unit for one in numbers}
    cells = {(one.method, one.data_set, one.measure): _text(one) for one in numbers}
    header = (
        *table.header,
        *(
            (f"{data_set}, as published", f"{TITLES[measure]} ({unit})")
            for (data_set, measure), unit in columns.items()
        ),
    )
    added = tuple(
        (*row, *(Cell(cells.get((rows[row[0].text], *one), DASH), foreign=True) for one in columns))
        for row in table.rows
    )
    return Table(_with_foreign(table.data, rows, numbers), header, added, table.footnote)


def _with_foreign(data: pd.DataFrame, rows: Mapping[str, str], numbers: Sequence[Number]) -> pd.DataFrame:
    """The data of a table with the published numbers of its rows beneath."""
    known = {name: part.iloc[0] for name, part in data.groupby("entry", sort=False)}
    settings = list(data.columns[1 : data.columns.get_loc("dataset")])
    foreign = [
        {
            "entry": name,
            **known[name][settings].to_dict(),
            **{"dataset": one.table, "group": one.data_set, "metric": one.measure, "unit": one.unit},
            **{"mean": one.mean, "sd": one.sd, "n": one.n or 0, "published": True},
        }
        for name, method in rows.items()
        for one in numbers
        if method and one.method == method
    ]
    whole = pd.concat([data.assign(published=False), pd.DataFrame(foreign)], ignore_index=True)
    for column, kind in data.assign(published=False).dtypes.items():
        if kind.kind in "ib":
            whole[column] = whole[column].fillna(0).astype(kind)
    return whole


def _number(row: Mapping[str, str], line: int) -> Number:
    """One line of the file; ValueError that names it and what is wrong."""
    if None in row or None in row.values():
        raise ValueError(f"published numbers, line {line}: expected {len(COLUMNS)} cells")
    if empty := [name for name in (*_KEY, "unit", "source") if not row[name].strip()]:
        raise ValueError(f"published numbers, line {line}: {empty[0]} is empty")
    if row["measure"] not in TITLES:
        raise ValueError(f"published numbers, line {line}: unknown measure '{row['measure']}'")
    try:
        mean, sd = float(row["mean"]), float(row["sd"]) if row["sd"] else None
        n = int(row["n"]) if row["n"] else None
    except ValueError as error:
        raise ValueError(f"published numbers, line {line}: {error}") from None
    if not isfinite(mean) or (sd is not None and not 0 <= sd < float("inf")) or (n is not None and n < 1):
        raise ValueError(f"published numbers, line {line}: mean, sd and n cannot be {mean}, {sd}, {n}")
    texts = {name: row[name] for name in (*_KEY, "unit", "source", "note")}
    return Number(**texts, mean=mean, sd=sd, n=n)


def _table(numbers: Sequence[Number]) -> Table:
    """Methods as rows; the measures of each data set as columns; sources and notes beneath."""
    columns = {(one.data_set, one.measure): one.unit for one in numbers}
    cells = {(one.method, one.data_set, one.measure): _text(one) for one in numbers}
    methods = dict.fromkeys(one.method for one in numbers)
    rows = tuple(
        (Cell(method), *(Cell(cells.get((method, *column), DASH)) for column in columns))
        for method in methods
    )
    header = (
        ("", "method"),
        *((data_set, f"{TITLES[measure]} ({unit})") for (data_set, measure), unit in columns.items()),
    )
    return Table(frame(numbers), header, rows, " ".join(_footnote(numbers)))


def _text(one: Number) -> str:
    return f"{one.mean:g}" if one.sd is None else f"{one.mean:g} ± {one.sd:g}"


def _footnote(numbers: Sequence[Number]) -> Iterator[str]:
    yield f"{WARNING[0].upper()}{WARNING[1:]}."
    yield f"Source: {'; '.join(dict.fromkeys(one.source for one in numbers))}."
    yield from dict.fromkeys(f"{one.method}: {one.note}." for one in numbers if one.note)
