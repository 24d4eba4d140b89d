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
app.command()(status)
app.command()(plan)

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


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="folder for checkpoint, log and weights; created")],
    preset: Annotated[str, typer.Option(help="settings to start from: cpu, more, gpu or smoke")] = "cpu",
    config: Annotated[Path | None, typer.Option(help="YAML with all settings, instead of a preset")] = None,
    minutes: Annotated[float | None, typer.Option(help="budget of wall time, instead of the set one")] = None,
    resume: Annotated[bool, typer.Option(help="go on from the checkpoint in the folder")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Train the promptable model `pocket` on synthetic images and export its weights.

    Several accelerators: torchrun --nproc-per-node N -m promptreg.cli train ...
    """
    import torch

    from promptreg.device import choose_device
    from promptreg.training.export import finish
    from promptreg.training.loop import train as run
    from promptreg.training.settings import settings
    from promptreg.training.workers import join, leave

    torch.set_num_threads(threads)
    workers, own = join(choose_device(device))
    run(settings(preset, config, minutes), out, device=own, resume=resume, workers=workers)
    if workers.is_first:
        typer.echo(f"wrote {finish(out)}")
    leave(workers)


@app.command("train-adapter")
def train_adapter(
    config: Annotated[Path, typer.Option(help="YAML of a benchmark: its data set, seed and section `train`")],
    out: Annotated[Path, typer.Option(help="folder for weights, checkpoint, log and curves; created")],
    dataset: Annotated[str | None, typer.Option(help="which data set, if there are several")] = None,
    model: Annotated[str, typer.Option(help="a model that is trained on labels")] = "sam_adapter3d",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Train a model on the labels of a part of the subjects of a data set, as the workflow does."""
    import torch

    from promptreg.plan import Plan
    from promptreg.settings import load_file
    from promptreg.stages.train import FILE
    from promptreg.stages.train import run as train_stage

    torch.set_num_threads(threads)
    plan = Plan(load_file(config).model_dump())
    chosen = dataset or next(iter(plan.datasets))
    train_stage(json.loads(plan.train_job(model, chosen)), [], str(out / FILE))
    typer.echo(f"wrote {out / FILE}")


@app.command("train-method")
def train_method(
    config: Annotated[Path, typer.Option(help="YAML of a benchmark: its data set, seed and section `learn`")],
    out: Annotated[Path, typer.Option(help="folder of all that is made; goes on where it was stopped")],
    method: Annotated[str, typer.Option(help="a method that is trained on pairs")] = "voxelmorph",
    dataset: Annotated[str | None, typer.Option(help="which data set, if there are several")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Train a registration network on the pairs of a data set, without those of subjects in the test."""
    import torch

    from promptreg.plan import Plan
    from promptreg.settings import load_file
    from promptreg.stages.alone import learn_alone

    torch.set_num_threads(threads)
    plan = Plan({**load_file(config).model_dump(), "results_dir": str(out)})
    typer.echo(f"wrote {learn_alone(plan, method, dataset or next(iter(plan.datasets)))}")


@app.command("train-synthmorph")
def train_synthmorph(
    out: Annotated[Path, typer.Option(help="folder for weights, their record and the log; created")],
    dimension: Annotated[int, typer.Option(min=2, max=3, help="of the images")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="steps; about 0.2 CPU seconds each in 2D")] = 12_000,
    seed: Annotated[int, typer.Option(help="seed of every draw")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Train the network of the method `synthmorph` on synthetic images; a stopped run goes on."""
    import torch

    from promptreg.training.synthmorph import train_synthmorph as run

    torch.set_num_threads(threads)
    typer.echo(json.dumps(run(out, ndim=dimension, steps=steps, seed=seed)))


@app.command("train-scores")
def train_scores(
    out: Annotated[Path, typer.Option(help="folder for weights, record and table; created")],
    pairs: Annotated[int, typer.Option(help="synthetic pairs of planar images; 0: no network for 2D")] = 400,
    volumes: Annotated[int, typer.Option(help="synthetic pairs of volumes; 0: no network for 3D")] = 120,
    seed: Annotated[int, typer.Option(help="seed of every draw")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
) -> None:
    """Train the scores by which `pooled` chooses masks, on synthetic images; minutes on one core."""
    import torch

    from promptreg.training.scores import train_scores as run

    torch.set_num_threads(threads)
    for row in run(out, seed=seed, pairs={ndim: n for ndim, n in ((2, pairs), (3, volumes)) if n}):
        typer.echo(json.dumps(row))


@app.command("export")
def export_weights(
    out: Annotated[Path, typer.Argument(help="folder of a training run, finished or not")],
) -> None:
    """Write weights and curves of a training run from its last checkpoint."""
    from promptreg.training.export import finish

    typer.echo(f"wrote {finish(out)}")


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
