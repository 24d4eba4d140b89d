"""The commands `promptreg data`: what published data sets there are, and getting and checking them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from promptreg import data_check
from promptreg.atomic import replacing
from promptreg.data_folders import data_root, fetch, is_present, obstacle
from promptreg.data_splits import update_splits
from promptreg.settings import load_file
from promptreg.source_table import Source, find_source, sources
from promptreg.splits import Part

app = typer.Typer(help="List, describe, verify and fetch published data sets.", no_args_is_help=True)

ALL = "all"

Root = Annotated[
    Path | None,
    typer.Option(help="folder with a folder for each data set; $PROMPTREG_DATA, or data, if absent"),
]
Names = Annotated[list[str], typer.Argument(help="data sets, such as chaos")]
Place = Annotated[Path | None, typer.Option("--path", help="a folder of your own that holds the data set")]


@app.command("list")
def list_data(root: Root = None) -> None:
    """List all published data sets: size, licence, whether they are here, and what is to do."""
    base = root or data_root()
    rows = [(one.name, one.reader, _size(one), one.licence, _state(one, base)) for one in sources().values()]
    titles = ("name", "reader", "size", "licence", "state")
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="data set, such as chaos")],
    path: Place = None,
    root: Root = None,
) -> None:
    """Say what a data set holds: subjects, images, pairs, labels, landmarks, spacings, licence, citation."""
    source = find_source(name)
    rows = data_check.describe(source, path or (root or data_root()) / name)
    width = max(len(what) for what, _ in rows)
    for what, text in rows:
        typer.echo(f"{what:{width}}  {text}")


@app.command()
def verify(
    names: Annotated[list[str], typer.Argument(help="data sets, or all: those that are here")],
    path: Place = None,
    root: Root = None,
) -> None:
    """Check files, sizes, hashes and layout; exit status 1 if something is missing or another than it was."""
    base = root or data_root()
    here = [name for name in sources() if is_present(base / name)]
    chosen = here if names == [ALL] else names
    if path is not None and len(chosen) > 1:
        msg = "--path holds one data set; verify them one by one"
        raise ValueError(msg)
    failed = [name for name in chosen if not _verified(find_source(name), path, base)]
    if failed:
        raise ValueError(f"{len(failed)} of {len(chosen)} data sets cannot be used as they are")


@app.command("fetch")
def fetch_data(
    names: Names,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="you have read and accept the licence of these data")
    ] = False,
    root: Root = None,
    record: Annotated[Path | None, typer.Option(help="write here what came; the workflow does")] = None,
) -> None:
    """Download data sets once, check and unpack them; or say what has to be done by hand."""
    lines = []
    for name in names:
        folder = fetch(name, root or data_root(), accept=accept_licence)
        lines.append(f"{folder} is ready; licence {find_source(name).licence}")
        typer.echo(lines[-1])
    if record is not None:
        with replacing(record) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")


@app.command("split")
def split_data(
    config: Annotated[
        Path, typer.Option(help="YAML of a benchmark: its data sets, seed, and shares of the section `train`")
    ],
) -> None:
    """Write who is in the test, for every data set that names a table; nobody who stands in one is moved."""
    for one in update_splits(load_file(config)):
        counts = ", ".join(f"{list(one.parts.values()).count(part)} {part}" for part in get_args(Part))
        typer.echo(f"{one.dataset}: {one.path} has {len(one.parts)} subjects, {one.n_new} new ({counts})")


def _verified(source: Source, path: Path | None, base: Path) -> bool:
    """Verify one data set and say what was found."""
    folder = path or base / source.name
    found = data_check.verify(source, folder, base)
    for problem in found.problems:
        typer.echo(f"{source.name}: {problem}")
    if not found.problems:
        how = "recorded now for the first time" if found.recorded_now else "compared with what is recorded"
        typer.echo(f"{source.name}: {folder} is whole; {found.n_files} files {how}")
    return not found.problems


def _size(source: Source) -> str:
    """Size of the download as far as it is published."""
    if not source.archives or any(one.n_bytes is None for one in source.archives):
        return "unknown"
    return f"{sum(one.n_bytes or 0 for one in source.archives) / 1e6:.0f} MB"


def _state(source: Source, base: Path) -> str:
    if is_present(base / source.name):
        return f"here: {base / source.name}"
    todo = obstacle(source, base)
    if not todo:
        return f"absent: {source.fetch_command}"
    if "not accepted" in todo:
        return f"absent: {source.fetch_command} --accept-licence"
    return f"absent, by hand: promptreg data describe {source.name}"
