"""The commands that train models, methods and scores, and export what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


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


def export_weights(
    out: Annotated[Path, typer.Argument(help="folder of a training run, finished or not")],
) -> None:
    """Write weights and curves of a training run from its last checkpoint."""
    from promptreg.training.export import finish

    typer.echo(f"wrote {finish(out)}")
