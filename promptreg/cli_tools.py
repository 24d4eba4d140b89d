"""The commands `promptreg tools`: environments of tools that this package's own cannot hold."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from promptreg.atomic import replacing
from promptreg.registry import BASELINES

app = typer.Typer(help="List and install the environments of other tools.", no_args_is_help=True)

logger = logging.getLogger("promptreg")


@app.command("list")
def list_environments() -> None:
    """List all environments, the methods that need them, and whether they are here."""
    for name in sorted({entry.environment for entry in BASELINES.values() if entry.environment}):
        users = ", ".join(entry.name for entry in BASELINES.values() if entry.environment == name)
        typer.echo(f"{name:10} {users:24} {_state(name)}")


@app.command()
def install(
    name: Annotated[str, typer.Argument(help="environment, such as ants")],
    record: Annotated[
        Path | None,
        typer.Option(help="write here what came of it, and do not fail: methods without a tool are not run"),
    ] = None,
) -> None:
    """Install an environment from its lock, once."""
    from promptreg.baselines import environments

    try:
        state = f"{environments.create(name)} is ready"
    except (RuntimeError, OSError) as error:
        if record is None:
            raise
        logger.warning("the environment '%s' cannot be installed: %s", name, error)
        state = f"absent: {error}"
    if record is not None:
        with replacing(record) as temporary:
            temporary.write_text(state + "\n")
    typer.echo(state)


def _state(name: str) -> str:
    from promptreg.baselines import environments
    from promptreg.baselines.base import BaselineUnavailable

    try:
        return str(environments.interpreter(name))
    except BaselineUnavailable as error:
        return f"absent: {error}"
