"""Check the pairs of a shard, read their labels and landmarks, and pre-align them for every method."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from promptreg.datasets.base import MISALIGNED, REVERSED, DatasetReader, PairSpec
from promptreg.datasets.known_motion import misalign_labels, misalign_points
from promptreg.prealign import prealign
from promptreg.provenance import Signature
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.images import misalignment, open_reader
from promptreg.stages.inputs import Inputs, Variables, grid_record, spatial_dims
from promptreg.store import create
from promptreg.types import Image, check_alike


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the pairs store of one shard from the image stores that hold its images."""
    stores = Inputs(inputs)
    reader = open_reader(job["dataset"], job["seed"])
    specs = {one["pair"]: PairSpec(**one) for one in job["pairs"]}

    def work(name: str) -> Result:
        spec = specs[name]
        moving, fixed = stores.image(spec.moving), stores.image(spec.fixed)
        check_alike(moving, fixed)
        variables = _fixed_annotations(reader, spec, fixed) | _moving_annotations(reader, spec, moving, job)
        _check_landmarks(variables)
        attrs = {
            "moving": spec.moving,
            "fixed": spec.fixed,
            "group": spec.group,
            "moving_grid": grid_record(moving.grid),
            "fixed_grid": grid_record(fixed.grid),
            "prealignment": prealign(moving, fixed, job["prealign"]).tolist(),
            "label_names": {str(key): text for key, text in _label_names(reader, spec).items()},
        }
        return variables, attrs

    with create(output, Signature("pairs", job, stores.digests(), job["code"])) as writer:
        known = {name: {"group": spec.group} for name, spec in specs.items()}
        attempt_each(writer, "pairs", list(specs), work, known=known)


def _fixed_annotations(reader: DatasetReader, spec: PairSpec, image: Image) -> Variables:
    found: Variables = {}
    if reference := spec.annotations.get("fixed_labels"):
        found |= _label_variable("fixed", reader.labels(reference, image.grid))
    if reference := spec.annotations.get("fixed_landmarks"):
        found |= _point_variable("fixed", reader.landmarks(reference, image.grid))
    return found


def _moving_annotations(
    reader: DatasetReader, spec: PairSpec, image: Image, job: dict[str, Any]
) -> Variables:
    matrix = None
    if spec.moving.endswith(MISALIGNED):
        matrix = misalignment(job["dataset"], job["seed"], spec.moving, image.grid)
    found: Variables = {}
    if reference := spec.annotations.get("moving_labels"):
        labels = reader.labels(reference, image.grid)
        found |= _label_variable(
            "moving", labels if matrix is None else misalign_labels(labels, image.grid, matrix)
        )
    if reference := spec.annotations.get("moving_landmarks"):
        points = reader.landmarks(reference, image.grid)
        found |= _point_variable("moving", points if matrix is None else misalign_points(points, matrix))
    return found


def _check_landmarks(variables: Variables) -> None:
    counts = [
        len(variables[name][1]) for name in ("moving_landmarks", "fixed_landmarks") if name in variables
    ]
    if len(set(counts)) > 1:
        msg = f"{counts[0]} moving and {counts[1]} fixed landmarks; rows must correspond one to one"
        raise ValueError(msg)


def _label_variable(side: str, labels: np.ndarray) -> Variables:
    return {f"{side}_labels": (spatial_dims(labels.ndim, f"{side}_"), labels.astype(np.int32))}


def _point_variable(side: str, points: np.ndarray) -> Variables:
    array = torch.as_tensor(points).numpy().astype(np.float64)
    return {f"{side}_landmarks": ((f"{side}_landmark", "component"), array)}


def _label_names(reader: DatasetReader, spec: PairSpec) -> dict[int, str]:
    return reader.label_names(spec.pair.removesuffix(MISALIGNED).removesuffix(REVERSED))
