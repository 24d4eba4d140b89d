"""The commands `promptreg status` and `promptreg plan`: what a run will take, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from promptreg.settings import ConfigError

MOST_LINES = 20


def status(
    results: Annotated[Path, typer.Argument(help="folder of results")],
    check: Annotated[bool, typer.Option(help="read every store whole, to find damaged ones")] = False,
) -> None:
    """Say how far the benchmark in a folder of results is, what failed and why, and what it has cost."""
    from promptreg.run_texts import status_text
    from promptreg.status import status as look

    typer.echo(status_text(look(results, check=check), MOST_LINES))


def plan(
    configfile: Annotated[Path | None, typer.Option(help="YAML of the benchmark, as for Snakemake")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as for Snakemake's --config; repeatable")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="results of an earlier or smaller run to estimate from")
    ] = None,
) -> None:
    """Say before a run how many jobs it has, and what storage and hours they will take."""
    from promptreg.estimate import forecast, rates
    from promptreg.jobs import all_jobs
    from promptreg.plan import Plan
    from promptreg.run_texts import plan_text
    from promptreg.runrecord import FILE

    made = Plan({**_read(configfile), **dict(map(_setting, set_ or []))})
    jobs = all_jobs(made)
    root, fmt = Path(made.root), made.config.figures.format
    done = [one for one in jobs if (root / one.made(fmt)).exists()]
    source = like or (root if (root / FILE).exists() else None)
    typer.echo(plan_text(forecast(jobs, done, rates(source) if source else {}), source))


def _read(configfile: Path | None) -> dict[str, Any]:
    if configfile is None:
        return {}
    try:
        found = yaml.safe_load(configfile.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"configuration {configfile}: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(
            f"configuration {configfile}: expected keys and values, found {type(found).__name__}"
        )
    return found


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected key=value")
    return key, yaml.safe_load(value)
