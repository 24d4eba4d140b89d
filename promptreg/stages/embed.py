"""Embed a block of views of the images of a shard."""

from __future__ import annotations

from functools import cache
from typing import Any

from promptreg.config import Embed, Views
from promptreg.device import choose_device
from promptreg.models.base import PromptableModel
from promptreg.provenance import Signature
from promptreg.registry import find
from promptreg.seeds import derive_seed
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, embedding_grids, embedding_variables
from promptreg.store import create
from promptreg.types import Image
from promptreg.views import View, sample_views, view_image


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write one embedding store: views `first` to `last` (exclusive) of the named images."""
    stores = Inputs(inputs)
    embed = Embed.model_validate(job["embed"])

    @cache
    def model() -> PromptableModel:
        return find("model", embed.model).load()()

    def work(name: str) -> Result:
        group, _, number = name.rpartition(".view")
        image = stores.image(group)
        view = image_views(image, embed.views, int(number) + 1, job["dataset"], job["seed"])[int(number)]
        moved = view_image(image, view)
        device = choose_device(embed.device)
        embedding = model().embed(Image(moved.data.to(device), moved.grid, moved.name))
        variables = embedding_variables(embedding, embed.dtype)
        return variables, {"grids": embedding_grids(embedding), "view": view.record}

    names = [
        f"{image}.view{number}" for image in job["images"] for number in range(job["first"], job["last"])
    ]
    with create(output, Signature("embeddings", job, stores.digests(), job["code"])) as writer:
        attempt_each(writer, "embed", names, work)


def image_views(image: Image, config: Views, count: int, dataset: str, seed: int) -> list[View]:
    """Return the first `count` views of an image; they belong to the image, whatever it is paired with."""
    settings = config.model_copy(update={"count": count})
    return sample_views(image.grid, settings, derive_seed(seed, dataset, image.name, "views"))
