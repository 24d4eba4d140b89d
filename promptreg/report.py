"""The report: one HTML page that holds everything and loads nothing.

The page is a function of the results alone, except its last box, which says when and where this run was.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from promptreg.atomic import replacing
from promptreg.records import check_frame, entries
from promptreg.report_page import PAGE
from promptreg.table_formats import to_html
from promptreg.tables import Table

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml", "pdf": "application/pdf"}


@dataclass(frozen=True)
class ReportTable:
    """A table and the sentence above it; `foreign` where its numbers are not ours, `folded` if long."""

    title: str
    caption: str
    table: Table
    foreign: bool = False
    folded: bool = False


@dataclass(frozen=True)
class ReportFigure:
    """An encoded figure (`fmt` png, jpg, svg or pdf) and the sentence beneath it; folded away if asked."""

    title: str
    caption: str
    content: bytes
    fmt: str = "png"
    folded: bool = False

    @property
    def uri(self) -> str:
        """The figure as a data URI."""
        if self.fmt not in MEDIA_TYPES:
            msg = f"figure '{self.title}': unknown format '{self.fmt}', expected {', '.join(MEDIA_TYPES)}"
            raise ValueError(msg)
        return f"data:{MEDIA_TYPES[self.fmt]};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True)
class Report:
    """What the page shows, in its order.

    `problems` and `warnings` are frames (see `problems` and `promptreg.consistency`); `left_out` says why
    data sets do not take part; `contamination` are sentences on what methods have seen in training;
    `settings` is the configuration as text; `licences` (of methods), `data_licences`, `seeds`, `versions`,
    `hardware` and `run` are names with values. Only `run` may differ between two runs on the same input
    (dates, host, duration).
    """

    title: str
    summary: str
    tables: tuple[ReportTable, ...] = ()
    figures: tuple[ReportFigure, ...] = ()
    problems: pd.DataFrame = field(default_factory=pd.DataFrame)
    warnings: pd.DataFrame = field(default_factory=pd.DataFrame)
    settings: str = ""
    contamination: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    data_licences: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, str] = field(default_factory=dict)


def problems(frame: pd.DataFrame) -> pd.DataFrame:
    """List why values are missing: one row for a dataset, entry, status and reason, with the pairs' names.

    `frame` is the tidy frame. Returns the columns dataset, entry, status, reason, n_pairs, pairs.
    """
    lost = check_frame(frame)[frame["status"] != "ok"]
    lost = lost.assign(entry=entries(lost))
    keys = ["dataset", "entry", "status", "reason"]
    rows = [
        (*key, part["pair"].nunique(), ", ".join(dict.fromkeys(part["pair"])))
        for key, part in lost.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "n_pairs", "pairs"])


def render(report: Report) -> str:
    """Return the page as HTML text; everything that is not a table of ours is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    tables = [(one, Markup(to_html(one.table))) for one in report.tables]
    facts = [
        ("Licences of methods and models", report.licences),
        ("Licences of data", report.data_licences),
        ("Seeds", report.seeds),
        ("Versions", report.versions),
        ("Hardware of the machine that wrote this page", report.hardware),
    ]
    return environment.from_string(PAGE).render(
        report=report,
        tables=tables,
        facts=facts,
        problems=_records(report.problems),
        warnings=_records(report.warnings),
    )


def write_report(path: str | Path, report: Report) -> None:
    """Write the page to `path`, whole or not at all."""
    with replacing(Path(path)) as part:
        part.write_text(render(report), encoding="utf-8")


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
