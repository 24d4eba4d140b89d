"""The commands `promptreg weights`: what released weights there are, and getting and checking them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptreg import checkpoints
from promptreg.licences import accepted
from promptreg.trust import read_lock

app = typer.Typer(help="List, fetch and verify released weights.", no_args_is_help=True)

ALL = "all"


@app.command("list")
def list_weights() -> None:
    """List all released weights: size, licence, whether they are here, and where."""
    rows = [
        (row.name, _size(row.n_bytes), _licence(row), _state(row), str(checkpoints.path(row.name)))
        for row in checkpoints.table().values()
    ]
    titles = ("name", "size", "licence", "state", "file")
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="weights, such as sam_vit_b")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="you have read and accept the licence of these weights")
    ] = False,
) -> None:
    """Download weights once and check them; nothing else downloads anything."""
    for name in names:
        typer.echo(f"{checkpoints.fetch(name, accept=accept_licence)} is ready")


@app.command()
def verify(
    names: Annotated[list[str], typer.Argument(help="weights, or all: those that are here")],
) -> None:
    """Hash weight files; exit status 1 if one is absent, damaged or another than it was."""
    here = [name for name in checkpoints.table() if checkpoints.path(name).is_file()]
    chosen = here if names == [ALL] else names
    problems = 0
    for name in chosen:
        try:
            checkpoints.verify(name)
        except (checkpoints.CheckpointUnavailable, ValueError) as error:
            problems += 1
            typer.echo(f"{name}: {error}")
        else:
            typer.echo(f"{name}: intact, sha256 {checkpoints.signature(name)}")
    if not chosen:
        typer.echo(f"no weights in {checkpoints.cache_dir()}")
    if problems:
        raise ValueError(f"{problems} of {len(chosen)} weight files cannot be used")


def _size(n_bytes: int | None) -> str:
    return "unknown" if n_bytes is None else f"{n_bytes / 1e6:.0f} MB"


def _licence(row: checkpoints.Checkpoint) -> str:
    if not row.accept:
        return row.licence
    return f"{row.licence} ({row.accept}, {'accepted' if accepted(row) else 'not accepted'})"


def _state(row: checkpoints.Checkpoint) -> str:
    file = checkpoints.path(row.name)
    if checkpoints.defect(row, file):
        return "damaged" if file.is_file() else "absent"
    return "locked" if not row.sha256 and read_lock(file) else "present"
