"""Embed a block of views of the images of a shard."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from promptreg.config import Embed, Views
from promptreg.device import choose_device
from promptreg.models.base import PromptableModel, compile_encoder, embed_all
from promptreg.overlapped import overlapped
from promptreg.provenance import Signature
from promptreg.seeds import derive_seed
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, embedding_grids, embedding_variables
from promptreg.stages.loaded import load_model, weights_digest
from promptreg.store import create
from promptreg.types import Embedding, Image
from promptreg.views import View, sample_views, turned_views, view_image

log = logging.getLogger("promptreg")


@dataclass(frozen=True, eq=False)
class Batch:
    """Views of one image that were embedded together, and the seconds for each."""

    embeddings: list[Embedding]
    seconds: float


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write one embedding store: views or turns `first` to `last` (exclusive) of the named images.

    The views of a planar image go through the encoder together where the model offers that; what is ready
    is written while the next is encoded.
    """
    stores = Inputs(inputs)
    embed = Embed.model_validate(job["embed"])

    @cache
    def model() -> PromptableModel:
        found = load_model(embed.model, job)
        if embed.compile and not compile_encoder(found):
            log.warning("%s has no encoder to compile: embed.compile changes nothing", embed.model)
        return found

    @lru_cache(maxsize=1)
    def views_of(group: str) -> tuple[Image, list[View]]:
        image = stores.image(group)
        if job["kind"] == "turn":
            views = turned_views(image.grid, embed.views)
        else:
            views = image_views(image, embed.views, job["last"], job["dataset"], job["seed"])
        return image, views[job["first"] :]

    @lru_cache(maxsize=1)
    def batch(group: str) -> Batch | None:
        return _embedded_together(model(), *views_of(group), embed.device)

    def work(name: str) -> Result:
        group, _, number = name.rpartition(f".{job['kind']}")
        image, views = views_of(group)
        together, place = batch(group), int(number) - job["first"]
        started = time.perf_counter()
        embedding = (
            together.embeddings[place]
            if together
            else model().embed(_seen(image, views[place], embed.device))
        )
        variables = embedding_variables(embedding, embed.dtype, bare=job["kind"] == "turn")
        seconds = time.perf_counter() - started + (together.seconds if together else 0.0)
        attrs = {"grids": embedding_grids(embedding), "view": views[place].record}
        return variables, {**attrs, "seconds": {"embed": round(seconds, 3)}}

    numbers = range(job["first"], job["last"])
    names = [f"{image}.{job['kind']}{number}" for image in job["images"] for number in numbers]
    made_from = stores.digests() | weights_digest(job)
    signature = Signature("embeddings", job, made_from, job["code"])
    with create(output, signature) as writer, overlapped(writer) as behind:
        attempt_each(behind, "embed", names, work, count_flops="count_flops" in job)


def _embedded_together(model: PromptableModel, image: Image, views: list[View], wish: str) -> Batch | None:
    """Embed all views of a planar image; nothing for a volume, whose slices fill the encoder by themselves.

    Nothing either where one view fails, so that the others are embedded without it.
    """
    if image.grid.ndim == 3 or len(views) == 1:
        return None
    started = time.perf_counter()
    try:
        found = embed_all(model, [_seen(image, view, wish) for view in views])
    except Exception as error:
        log.warning("%s: views are embedded one by one, since together: %s", image.name, error)
        return None
    return Batch(found, (time.perf_counter() - started) / len(views))


def _seen(image: Image, view: View, wish: str) -> Image:
    """Return the view of an image on the device."""
    moved = view_image(image, view)
    return Image(moved.data.to(choose_device(wish)), moved.grid, moved.name)


def image_views(image: Image, config: Views, count: int, dataset: str, seed: int) -> list[View]:
    """Return the first `count` views of an image; they belong to the image, whatever it is paired with."""
    settings = config.model_copy(update={"count": count})
    return sample_views(image.grid, settings, derive_seed(seed, dataset, image.name, "views"))
