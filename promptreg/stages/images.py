"""Read and check the images of a shard, once, into one form."""

from __future__ import annotations

from typing import Any

from promptreg.config import Corruption, Misalign
from promptreg.datasets.base import DatasetReader
from promptreg.datasets.corrupted import Corrupted
from promptreg.datasets.known_motion import misalign_image, misalignment_matrix
from promptreg.provenance import Signature
from promptreg.registry import find
from promptreg.seeds import derive_seed
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import grid_record, image_variables
from promptreg.store import create


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the images store of one shard; `inputs` is empty."""
    dataset = job["dataset"]
    reader = open_reader(dataset, job["seed"])
    specs = {one["image"]: one for one in job["images"]}

    def work(name: str) -> Result:
        image = reader.image(specs[name]["source"])
        if specs[name]["misaligned"]:
            image = misalign_image(image, misalignment(dataset, job["seed"], name, image.grid))
        return image_variables(image), {"grid": grid_record(image.grid), "stamp": specs[name]["stamp"]}

    with create(output, Signature("images", job, code=job["code"])) as writer:
        attempt_each(writer, "images", list(specs), work)


def open_reader(dataset: dict[str, Any], seed: int) -> DatasetReader:
    """Open the data set of a job, with what changes its images, if anything."""
    reader: DatasetReader = find("dataset", dataset["reader"]).load()(dataset["path"])
    if "corrupt" not in dataset:
        return reader
    return Corrupted(reader, Corruption.model_validate(dataset["corrupt"]), seed)


def misalignment(dataset: dict[str, Any], seed: int, image: str, grid: Any) -> Any:
    """Return the known random affine of a misaligned image, a homogeneous world map."""
    config = Misalign(**dataset["misalign"])
    return misalignment_matrix(grid, config, derive_seed(seed, dataset["name"], image, "misalign"))
