"""The command line: one pair from a shell, and the workflow's stages."""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from promptreg.cli_data import app as data
from promptreg.cli_runs import plan, status
from promptreg.cli_tools import app as tools
from promptreg.cli_train import (
    export_weights,
    train,
    train_adapter,
    train_method,
    train_scores,
    train_synthmorph,
)
from promptreg.cli_weights import app as weights
from promptreg.provenance import check_unchanged
from promptreg.registry import TABLES

app = typer.Typer(
    help="Register images by searching corresponding prompts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(weights, name="weights")
app.add_typer(data, name="data")
app.add_typer(tools, name="tools")
for command in (status, plan, train, train_adapter, train_method, train_synthmorph, train_scores):
    app.command()(command)
app.command("export")(export_weights)

STAGES = (
    "images",
    "pairs",
    "train",
    "learn",
    "embed",
    "search",
    "marginalize",
    "fit",
    "baseline",
    "evaluate",
    "inverse",
    "calibrate",
    "listing",
    "costs",
    "gallery",
    "extremes",
    "tables",
    "analysis",
    "figures",
    "report",
)
KINDS = {"models": "model", "methods": "method", "datasets": "dataset"}


@app.command("list")
def list_plugins(what: Annotated[str, typer.Argument(help="models, methods or datasets")]) -> None:
    """List what can be plugged in, with what it was trained on and whether it can run here."""
    from promptreg.checkpoints import status as checkpoint_status

    if what not in KINDS:
        msg = f"cannot list '{what}'; choose models, methods or datasets"
        raise ValueError(msg)
    for entry in TABLES[KINDS[what]].values():
        dims = "/".join(f"{n}D" for n in entry.dims)
        present, reason = checkpoint_status(entry.checkpoint) if entry.checkpoint else (True, "")
        typer.echo(f"{entry.name:12} {dims:6} {entry.supervision:22} {entry.summary}")
        if not present:
            typer.echo(f"{'':12} not available: {reason}")


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help=", ".join(STAGES))],
    inputs: Annotated[list[str] | None, typer.Argument(help="stores that the stage reads")] = None,
    job: Annotated[str, typer.Option(help="the job's parameters, JSON")] = "{}",
    output: Annotated[str, typer.Option(help="what the stage writes")] = "",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Run one stage of the workflow; the workflow calls this."""
    if name not in STAGES:
        msg = f"unknown stage '{name}'; stages are {', '.join(STAGES)}"
        raise ValueError(msg)
    try:
        parameters = json.loads(job)
    except json.JSONDecodeError as error:
        msg = f"--job is not JSON: {error}"
        raise ValueError(msg) from None
    if "modules" in parameters:
        check_unchanged(parameters["modules"], parameters["code"])
    import torch

    torch.set_num_threads(threads)
    started = time.perf_counter()
    import_module(f"promptreg.stages.{name}").run(parameters, inputs or [], output)
    device = "cuda" if torch.cuda.is_initialized() else "cpu"
    logging.getLogger("promptreg").info("%s took %.1f s on %s", name, time.perf_counter() - started, device)


@app.command()
def gather(
    inputs: Annotated[list[str], typer.Argument(help="measures of all shards, parquet")],
    metrics: Annotated[str, typer.Option(help="where the measures go")],
    timings: Annotated[str, typer.Option(help="where seconds and memory go")],
) -> None:
    """Join the measures of all shards; the workflow calls this."""
    from promptreg.stages.evaluate import gather as join

    join(inputs, metrics, timings)


@app.command()
def rulegraph(
    snakefile: Annotated[Path, typer.Option(help="the workflow's main Snakefile")],
    config: Annotated[str, typer.Option(help="the run's configuration, JSON")],
    output: Annotated[Path, typer.Option(help="dot file to write")],
) -> None:
    """Ask Snakemake for the rule graph of a run; the workflow calls this."""
    from promptreg.rulegraph import write_rulegraph

    write_rulegraph(snakefile, config, output)


@app.command()
def register(
    moving: Annotated[Path, typer.Option(help="moving image")],
    fixed: Annotated[Path, typer.Option(help="fixed image")],
    out: Annotated[Path, typer.Option(help="folder for the results; created")],
    prompt: Annotated[
        list[str] | None, typer.Option(help="point x,y[,z] on the moving image, world; repeatable")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="promptable model; by default that of the configuration")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            help="variant of the configuration: promptreg_image (regions and intensities) by default; "
            "promptreg fits to the regions alone, as the paper does"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML with the sections embed, search, marginalize, fit, variants")
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of every random draw")] = 0,
) -> None:
    """Register one pair: moved image, field, ROI pairs, prompts and a picture."""
    from promptreg.onepair import register, save

    save(
        register(moving, fixed, prompts=prompt or [], model=model, variant=variant, config=config, seed=seed),
        out,
    )
    typer.echo(f"wrote {out}")


@app.command()
def apply(
    ddf: Annotated[Path, typer.Option(help="displacement field written by register (ITK, .nii.gz or .mha)")],
    out: Annotated[Path, typer.Option(help="file to write")],
    image: Annotated[Path | None, typer.Option(help="image to warp onto the fixed grid")] = None,
    labels: Annotated[Path | None, typer.Option(help="label map to warp onto the fixed grid")] = None,
    points: Annotated[Path | None, typer.Option(help="CSV of points to map")] = None,
    direction: Annotated[
        str,
        typer.Option(
            help="for points: fixed-to-moving or moving-to-fixed; images and labels go moving-to-fixed"
        ),
    ] = "",
    moving: Annotated[
        Path | None, typer.Option(help="for points: the moving image, unless it lies on the fixed grid")
    ] = None,
) -> None:
    """Apply a field to an image, a label map or points."""
    from promptreg.onepair import apply as apply_field

    apply_field(ddf, out, image=image, labels=labels, points=points, direction=direction, moving=moving)
    typer.echo(f"wrote {out}")


@app.command("config")
def write_config(
    check: Annotated[bool, typer.Option(help="only say whether the generated files are up to date")] = False,
) -> None:
    """Generate config/config.yaml, workflow/schemas/ and pages of docs/ from what declares them."""
    from promptreg.manual import drift, write

    if not check:
        write(Path())
    elif stale := drift(Path()):
        msg = f"out of date: {', '.join(stale)}; run `promptreg config`"
        raise ValueError(msg)


def main() -> None:
    """Run the command line; expected errors end in one readable message and exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        if logging.getLogger("promptreg").isEnabledFor(logging.DEBUG):
            raise
        sys.exit(f"promptreg: error: {error}")


if __name__ == "__main__":
    main()
