"""From a run to the file of weights that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from promptreg.atomic import replacing
from promptreg.figures import encode, training_curves
from promptreg.nets.pocket_net import PocketNet
from promptreg.nets.weightfile import read_weights, write_record, write_weights
from promptreg.provenance import code_digest, versions
from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs
from promptreg.training.config import TrainPocket
from promptreg.training.loop import CHECKPOINT, LOG
from promptreg.training.state import State, load

TOLERANCE = 0.02
"""Largest error of the written network, relative to the spread of each output."""


def export(checkpoint: Path, weights: Path) -> dict[str, Any]:
    """Write the averaged weights of a checkpoint, and beside them a JSON file with their hash.

    Returns what that file says. Raises ValueError if the written network computes something else.
    """
    config = stated_config(checkpoint)
    state = load(checkpoint, config, torch.device("cpu"))
    with replacing(weights) as temporary:
        write_weights(state.average, temporary, _about(state, config))
        verify(read_weights(temporary), state.average)
    return write_record(weights)


def finish(folder: Path) -> Path:
    """Write the weights and the curves of the run in a folder; returns the file of weights."""
    weights = folder / "pocket.safetensors"
    export(folder / CHECKPOINT, weights)
    with replacing(folder / "curves.png") as temporary:
        temporary.write_bytes(encode(training_curves(pd.read_csv(folder / LOG)), "png"))
    return weights


def stated_config(checkpoint: Path) -> TrainPocket:
    """Read the settings that a checkpoint was trained with."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return TrainPocket.model_validate_json(content["config"])


@torch.no_grad()
def verify(written: PocketNet, trained: PocketNet) -> None:
    """Raise ValueError unless both networks give the same outputs on a synthetic image, to half precision."""
    images = synth_pairs(1, (64, 64), seed=derive_seed("pocket", "export")).first
    points = torch.tensor([[[[20.0, 31.0]], [[40.5, 12.25]]]])
    labels = torch.ones(1, 2, 1, dtype=torch.long)
    for found, expected in zip(
        _outputs(written, images, points, labels), _outputs(trained, images, points, labels), strict=True
    ):
        error = ((found - expected).abs().mean() / expected.std().clamp_min(1e-6)).item()
        if error > TOLERANCE:
            raise ValueError(
                f"the exported network differs from the trained one by {error:.3f} of the spread"
            )


def _outputs(net: PocketNet, images: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    encoded, logits, scores = net.eval()(images, points, labels)
    return encoded.embedding, logits, scores


def _about(state: State, config: TrainPocket) -> dict[str, Any]:
    return {
        "training": config.model_dump(mode="json"),
        "steps": state.step,
        "images": state.n_images,
        "hours": round(state.seconds / 3600, 2),
        "code": code_digest("promptreg.training.loop"),
        "versions": versions(),
        "trained_on": "synthetic images alone",
    }
