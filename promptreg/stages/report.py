"""The report: everything on one page."""

from __future__ import annotations

import io
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import PIL.Image
import yaml

from promptreg.config import Config
from promptreg.consistency import acceptance_warnings, law_warnings, rank_warnings, unit_warnings
from promptreg.disclosure import licences_of
from promptreg.provenance import versions
from promptreg.published import WARNING
from promptreg.published import tables as published_tables
from promptreg.report import Report, ReportFigure, ReportTable, problems, write_report
from promptreg.resampling import INTERVAL_KIND
from promptreg.stages.analysis import analysis, titles
from promptreg.stages.extremes import INDEX
from promptreg.stages.listing import subjects_in
from promptreg.stages.tables import Measured, measured, published_numbers
from promptreg.stats import case_values, summarize
from promptreg.tables import METRICS

log = logging.getLogger("promptreg")

WIDTH, PHOTOGRAPH_WIDTH = 1200, 860
MOST_BYTES = 9_500_000
"""Of all figures together; base64 makes four thirds of it, and the page is to stay below 15 MB."""

_CAPTIONS = {
    "distributions": "Every pair of every method: box (quartiles) and points, one row a measure.",
    "ranks": "Mean rank over pairs (1 is best, a failed pair is the last) by application and measure. Bars "
    "join methods that cannot be told apart: Nemenyi's critical difference (CD) at 5 %, after Friedman's "
    "test.",
    "stability": "How often each method takes each place when subjects are drawn anew with replacement; the "
    "area of a bubble is the share of the draws.",
    "time": "Median wall-clock seconds per pair, by stage.",
    "hours": "Where the time went: wall-clock time of all jobs before the tables, by rule, those on a GPU "
    "apart, and the largest resident memory of a job.",
    "rulegraph": "The rules of this run, in the order of the data.",
    "prompts": "Given prompts and regions on the moving image (left), found ones on the fixed image (right); "
    "dashed grey pairs were rejected, for the reason beneath.",
    "methods": "The fixed image, then the moving image as moved by every method; solid contours are "
    "fixed labels, dashed ones warped labels.",
    "overlay": "Before and after PromptReg: deformed grid, moved image, overlay, checkerboard.",
    "paradigms": "What different paradigms take for the region (left) that a prompt (arrow) points at: the "
    "structure with the label under the prompt, the region carried by a field, the region of a search.",
    "extremes": "The moving image after the pre-alignment, the fixed one, the moved one, and both laid over "
    "each other (moved orange, fixed blue; fixed labels solid, warped ones dashed).",
    "uncertainty": "Largest variance of the regions' probabilities over the views.",
}


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the page from measures, costs, pairs, published numbers, then figures and what analyses read."""
    config = Config.model_validate(job["config"])
    numbers = [one for one in inputs[4:] if one.endswith(".parquet")]
    pictures = [one for one in inputs[4:] if one not in numbers]
    frame, timings = pd.read_parquet(inputs[0]), pd.read_parquet(inputs[1])
    subjects = subjects_in(inputs[2])
    made = measured(frame, timings, subjects, config, job["seen"])
    summary = summarize(case_values(frame, METRICS), subjects=subjects, seed=config.seed)
    of_frame = law_warnings(frame), unit_warnings(frame, METRICS), acceptance_warnings(frame)
    warnings = pd.concat([*of_frame, rank_warnings(summary)])
    write_report(
        output,
        Report(
            title="PromptReg benchmark",
            summary=_summary(frame, config),
            tables=(
                *_tables(made),
                *_analyses(config, [*inputs[:4], *numbers]),
                *_published(inputs[3]),
            ),
            figures=tuple(_figures(pictures, config.figures.format, _titles(config))),
            problems=problems(frame),
            warnings=warnings.reset_index(drop=True),
            settings=yaml.safe_dump(job["config"], sort_keys=False, allow_unicode=True),
            contamination=_contamination(job["seen"]),
            licences=licences_of(config),
            data_licences=job["licences"],
            left_out=job["left_out"],
            seeds=_seeds(config),
            versions=versions(),
            hardware=_hardware(),
            run={
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                "python": platform.python_version(),
            },
        ),
    )


def _tables(made: Measured) -> tuple[ReportTable, ...]:
    return (
        ReportTable("Methods compared", "Mean ± SD over pairs; see the note beneath.", made.table1),
        ReportTable("Ranking", "Methods by their mean rank over pairs.", made.ranking),
        ReportTable(
            "Intervals and differences",
            "Every method alone and against the best.",
            made.statistics,
            folded=True,
        ),
        ReportTable("Time", "Seconds per pair.", made.time),
    )


def _analyses(config: Config, inputs: list[str]) -> Iterator[ReportTable]:
    """Ablations, with published numbers of the same settings in grey, and further analyses."""
    for name, title in titles(config).items():
        table = analysis(config, name, inputs)
        yield ReportTable(f"{name}: {title}", "See the note beneath.", table, folded=len(table.rows) > 30)


def _titles(config: Config) -> dict[str, str]:
    """What is said beneath a figure, by its name."""
    means = "Mean and 95 % interval over pairs; grey: as published, not comparable."
    return _CAPTIONS | {name: f"{title}. {means}" for name, title in titles(config).items()}


def _contamination(seen: list[list[str]]) -> tuple[str, ...]:
    """What methods have seen in training, a sentence each."""
    return tuple(f"{method} has seen {dataset}, {group}" for method, dataset, group in seen)


def _seeds(config: Config) -> dict[str, str]:
    return {
        "seed": str(config.seed),
        "views, prompts, search": "hash of the seed, the data set, the image or pair, and what is drawn",
        "intervals and ranks": f"hash of the seed, the data set and the group; {INTERVAL_KIND}",
    }


def _hardware() -> dict[str, str]:
    """The machine that writes the page; fields may have been made on others."""
    found = {"processor": platform.processor() or platform.machine(), "cores": str(os.cpu_count())}
    described = Path("/proc/cpuinfo")
    if described.is_file():
        lines = described.read_text(errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        found["processor"] = models[0] if models else found["processor"]
    return found


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


def _figures(paths: list[str], fmt: str, captions: Mapping[str, str]) -> list[ReportFigure]:
    """The figures in the given order; a folder stands for the pictures of one pair."""
    figures: list[ReportFigure] = []
    for path in map(Path, paths):
        if (path / INDEX).is_file():
            figures += _extremes(path, fmt, MOST_BYTES - sum(len(one.content) for one in figures))
            continue
        for file in sorted(path.glob(f"*.{fmt}")) if path.is_dir() else [path]:
            place = f"{path.parent.name} / {path.name}: {file.stem}" if path.is_dir() else file.stem
            content = compact(file.read_bytes()) if fmt == "png" else file.read_bytes()
            figures.append(ReportFigure(place, captions.get(file.stem, ""), content, fmt))
    return figures


def _extremes(folder: Path, fmt: str, left: int) -> list[ReportFigure]:
    """The worst, median and best pairs of every method, folded away; those that fit into `left` bytes."""
    index = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)
    figures = []
    for row in index.itertuples(index=False):
        content = (folder / str(row.file)).read_bytes()
        shown, kind = (photograph(content), "jpg") if fmt == "png" else (content, fmt)
        left -= len(shown)
        if left < 0:
            log.warning("%s/%s is not on the page, which would be too long", folder, row.file)
            continue
        title = f"{folder.name}, {row.group}: worst, median and best of {row.method}"
        figures.append(ReportFigure(title, f"By {row.measure}. {_CAPTIONS['extremes']}", shown, kind, True))
    return figures


def photograph(png: bytes) -> bytes:
    """Return a small JPEG of a PNG of many pictures."""
    picture = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((PHOTOGRAPH_WIDTH, picture.height))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()


def compact(png: bytes) -> bytes:
    """Return a PNG for the screen, at most 1200 pixels wide in 256 colours: the page holds many of them."""
    picture = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH, picture.height))
    buffer = io.BytesIO()
    picture.quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
