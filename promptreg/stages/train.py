"""Train a model on the labelled images of the subjects of a data set who are not in the test."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.config import Dataset, Train
from promptreg.device import choose_device
from promptreg.figures import adapter_curves, encode
from promptreg.models.adapter3d import SamAdapter, base_sam, write_learned, write_unavailable
from promptreg.pair_choice import Scope
from promptreg.provenance import Signature, versions
from promptreg.seeds import derive_seed
from promptreg.shards import DatasetPlan
from promptreg.splits import Part
from promptreg.training.adapter_data import LabelledStack, labelled_stack
from promptreg.training.adapter_loop import CHECKPOINT, LOG, train_adapter

log = logging.getLogger("promptreg")

FILE, CURVES = "weights.safetensors", "curves.png"


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the weights of one model for one data set; log, checkpoint and curves lie beside them.

    `inputs` is empty: images and labels are read from the data set, those of the test never. Where nobody
    is left to train on, the file says so instead. Raises CheckpointUnavailable without the weights beneath.
    """
    config = Train.model_validate(job["train"])
    plan = DatasetPlan(Dataset.model_validate(job["spec"]), job["path"], 1, Scope(config, job["seed"]))
    signature = Signature("training", job, code=job["code"]).digest
    model = SamAdapter(base_sam(), depth=config.depth, seed=derive_seed(job["seed"], "adapter", "weights"))
    parts, skipped = _stacks(plan, config, job["seed"], model)
    if not parts["train"]:
        reason = f"no labelled image of data set '{plan.spec.name}' is left to train on"
        log.warning(reason)
        write_unavailable(Path(output), reason)
        return
    folder = Path(output).parent
    found = train_adapter(
        model,
        parts["train"],
        parts["validation"],
        config,
        folder,
        seed=derive_seed(job["seed"], "adapter", plan.spec.name),
        signature=signature,
        device=choose_device(config.device),
    )
    about = {
        "signature": signature,
        "job": job,
        "dataset": plan.spec.name,
        "images": {part: [one.name for one in stacks] for part, stacks in parts.items()},
        "skipped": skipped,
        "steps": found.step,
        "best_step": found.best_step if parts["validation"] else found.step,
        "validation_dice": found.best_dice if parts["validation"] else None,
        "versions": versions(),
    }
    write_learned(model, Path(output), about)
    with replacing(folder / CURVES) as temporary:
        temporary.write_bytes(encode(adapter_curves(pd.read_csv(folder / LOG)), "png"))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _stacks(
    plan: DatasetPlan, config: Train, seed: int, model: SamAdapter
) -> tuple[dict[Part, list[LabelledStack]], dict[str, str]]:
    """Read the images of every part, and say why some were left out."""
    parts: dict[Part, list[LabelledStack]] = {"train": [], "validation": []}
    skipped = {}
    for image, labels, part in plan.training_images(config, seed):
        try:
            read = plan.reader.image(image)
            stack = labelled_stack(read, plan.reader.labels(labels, read.grid), model.prepare)
        except (ValueError, OSError, RuntimeError) as error:
            log.warning("%s: not trained on: %s", image, error)
            skipped[image] = str(error)
        else:
            parts[part].append(stack)
    return parts, skipped
