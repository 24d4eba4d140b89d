"""The report: everything on one page."""

from __future__ import annotations

import io
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import PIL.Image
import yaml

from promptreg.config import Config
from promptreg.consistency import law_warnings, rank_warnings
from promptreg.provenance import versions
from promptreg.published import WARNING
from promptreg.published import tables as published_tables
from promptreg.report import Report, ReportFigure, ReportTable, problems, write_report
from promptreg.stages.tables import comparison, costs, published_numbers
from promptreg.stats import case_values, summarize
from promptreg.tables import METRICS

WIDTH = 1200

_CAPTIONS = {
    "distributions": "Every pair of every method: box (quartiles) and points, one row a measure.",
    "time": "Median wall-clock seconds per pair, by stage.",
    "rulegraph": "The rules of this run, in the order of the data.",
    "prompts": "Given prompts and regions on the moving image (left), found ones on the fixed image (right); "
    "dashed grey pairs were rejected, for the reason beneath.",
    "methods": "The fixed image, then the moving image as moved by every method; solid contours are "
    "fixed labels, dashed ones warped labels.",
    "overlay": "Before and after PromptReg: deformed grid, moved image, overlay, checkerboard.",
    "uncertainty": "Largest variance of the regions' probabilities over the views.",
}


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the page from measures, costs, published numbers and figures (in this order in `inputs`)."""
    config = Config.model_validate(job["config"])
    frame, timings = pd.read_parquet(inputs[0]), pd.read_parquet(inputs[1])
    cases = case_values(frame, METRICS)
    warnings = pd.concat([law_warnings(frame), rank_warnings(summarize(cases, seed=config.seed))])
    tables = (
        ReportTable(
            "Methods compared",
            "Mean ± SD over pairs; see the note beneath.",
            comparison(frame, config, job["seen"]),
        ),
        ReportTable("Time", "Seconds per pair.", costs(timings, config)),
        *_published(inputs[2]),
    )
    write_report(
        output,
        Report(
            title="PromptReg benchmark",
            summary=_summary(frame, config),
            tables=tables,
            figures=tuple(_figures(inputs[3:], config.figures.format)),
            problems=problems(frame),
            warnings=warnings.reset_index(drop=True),
            settings=yaml.safe_dump(job["config"], sort_keys=False, allow_unicode=True),
            versions=versions(),
            hardware={"processor": platform.processor() or platform.machine(), "cores": str(os.cpu_count())},
            run={
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                "python": platform.python_version(),
            },
        ),
    )


def _summary(frame: pd.DataFrame, config: Config) -> str:
    n_pairs = len(frame[["dataset", "pair"]].drop_duplicates())
    groups = ", ".join(dict.fromkeys(frame["group"].replace("", "ungrouped")))
    return (
        f"{len(config.methods)} methods on {n_pairs} pairs ({groups}). Every method starts from the same "
        f"pre-alignment ({config.prealign}) and is measured by the same code on the fixed image's own grid."
    )


def _published(path: str) -> Iterator[ReportTable]:
    """What others have published, in grey after everything that was measured here."""
    for title, table in published_tables(published_numbers(path)).items():
        yield ReportTable(title, f"{WARNING[0].upper()}{WARNING[1:]}.", table, foreign=True)


def _figures(paths: list[str], fmt: str) -> list[ReportFigure]:
    """The figures in the given order; a folder stands for the pictures of one pair."""
    figures = []
    for path in map(Path, paths):
        for file in sorted(path.glob(f"*.{fmt}")) if path.is_dir() else [path]:
            place = f"{path.parent.name} / {path.name}: {file.stem}" if path.is_dir() else file.stem
            content = compact(file.read_bytes()) if fmt == "png" else file.read_bytes()
            figures.append(ReportFigure(place, _CAPTIONS.get(file.stem, ""), content, fmt))
    return figures


def compact(png: bytes) -> bytes:
    """Return a PNG for the screen, at most 1200 pixels wide in 256 colours: the page holds many of them."""
    picture = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH, picture.height))
    buffer = io.BytesIO()
    picture.quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
