"""Every job of a benchmark as the workflow runs it: rule, name, what it makes, how much it works on.

The rules of the workflow say the same in Snakemake's terms; a test compares both. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptreg.config import Views
from promptreg.layout import Layout
from promptreg.shards import ImageSpec

MADE = {
    "fetch": "data/{name}.txt",
    "environment": "environments/{name}.txt",
    "images": "images/{name}.zarr",
    "pairs": "pairs/{name}.zarr",
    "train": "training/{name}/weights.safetensors",
    "learn": "learning/{name}/weights.safetensors",
    "embed": "embeddings/{name}.zarr",
    "search": "rois/{name}.zarr",
    "marginalize": "correspondences/{name}.zarr",
    "fit": "ddf/{name}.zarr",
    "register": "ddf/{name}.zarr",
    "evaluate": "metrics/{name}.parquet",
    "inverse": "metrics/{name}/inverse.parquet",
    "calibrate": "calibration/{name}.parquet",
    "gather": "metrics.parquet",
    "listing": "pairs.csv",
    "costs": "tables/costs.csv",
    "tables": "tables/table1.csv",
    "analysis": "tables/{name}.csv",
    "figure": "figures/{name}.{format}",
    "analysis_figure": "figures/{name}.{format}",
    "gallery": "figures/{name}",
    "extremes": "extremes/{name}",
    "report": "report.html",
}
"""What a job of each rule makes, in the order of the data; of several files the first."""

FIGURES = ("distributions", "ranks", "stability", "time", "hours", "rulegraph")
ONCE = ("gather", "listing", "costs", "tables", "report")


@dataclass(frozen=True)
class Job:
    """One job: `name` joins its wildcards by "/"; `items` counts pairs, images, or views of images."""

    rule: str
    name: str = ""
    items: int = 1

    def made(self, figure_format: str) -> str:
        """What it makes, below the folder of results."""
        return MADE[self.rule].format(name=self.name, format=figure_format)


def all_jobs(layout: Layout) -> list[Job]:
    """Return every job of a benchmark once, in the order of `MADE`.

    While data sets must be fetched first only that is known.
    """
    if layout.to_fetch:
        return [Job("fetch", name) for name in layout.to_fetch]
    found = dict.fromkeys(
        [
            *_preparing(layout),
            *_embedding(layout),
            *_searching(layout),
            *_registering(layout),
            *(Job("inverse", name) for name in layout.compared_both_ways),
            *(Job("calibrate", name) for name in layout.calibrated),
            *(Job("figure", name) for name in FIGURES),
            *(Job("gallery", name) for name in layout.gallery_files("{dataset}/{pair}")),
            *(Job("extremes", name) for name in layout.datasets),
            *(Job(rule, name) for rule in ("analysis", "analysis_figure") for name in layout.analyses),
            *(Job(rule) for rule in ONCE),
        ]
    )
    order = {rule: place for place, rule in enumerate(MADE)}
    return sorted(found, key=lambda job: order[job.rule])


def _preparing(layout: Layout) -> Iterator[Job]:
    for dataset, plan in layout.datasets.items():
        for shard in plan.all_shards():
            yield Job("pairs", f"{dataset}/{shard}", len(plan.in_shard(shard)))
        for shard in dict.fromkeys(plan.image_shard(one.image) for one in plan.images):
            yield Job("images", f"{dataset}/{shard}", len(plan.images_in(shard)))


def _embedding(layout: Layout) -> Iterator[Job]:
    """Embeddings of every search that can run, which share many, and the training before them."""
    for variant in _running(layout):
        embed = layout.variants[variant].embed
        for dataset, plan in layout.datasets.items():
            for file in layout.trained(embed.model, dataset):
                yield Job("train", _below(layout, file).rpartition("/")[0])
            for shard in plan.shards():
                for store in layout.embeddings(layout.search_of[variant], dataset, shard):
                    name = _below(layout, store).removesuffix(".zarr")
                    _, _, images, views = name.split("/")
                    turned = views.rpartition("-")[0] == layout.views_of[variant].turned != ""
                    yield Job(
                        "embed", name, _n_views(plan.images_in(images), views, embed.views, turned=turned)
                    )


def _n_views(images: list[ImageSpec], name: str, views: Views, *, turned: bool) -> int:
    """Views in a store of embeddings: the first of every image, or a block, or turns, of those that move."""
    if turned:
        return (views.turns - 1) * sum(one.moves and one.dimension == 2 for one in images)
    return len(images) if name == "identity" else views.block * sum(one.moves for one in images)


def _searching(layout: Layout) -> Iterator[Job]:
    for variant in _running(layout):
        for dataset, plan in layout.datasets.items():
            for shard in plan.shards():
                place, items = f"{dataset}/{shard}", len(plan.in_shard(shard))
                yield Job("search", f"{layout.search_of[variant]}/{place}", items)
                yield Job("marginalize", f"{layout.marginal_of[variant]}/{place}", items)
                yield Job("fit", f"{variant}/{place}", items)


def _registering(layout: Layout) -> Iterator[Job]:
    """Methods beside PromptReg, and the measures of all."""
    for method in layout.config.methods:
        for dataset, plan in layout.datasets.items():
            for shard in plan.shards():
                yield Job("evaluate", f"{method}/{dataset}/{shard}", len(plan.in_shard(shard)))
    for method in [one for one in layout.runnable if one not in layout.variants]:
        for file in layout.environment(method):
            yield Job("environment", _below(layout, file).removesuffix(".txt"))
        for dataset, plan in layout.datasets.items():
            for file in layout.learned(method, dataset):
                yield Job("learn", _below(layout, file).rpartition("/")[0])
            for shard in plan.shards():
                yield Job("register", f"{method}/{dataset}/{shard}", len(plan.in_shard(shard)))


def _running(layout: Layout) -> list[str]:
    return [name for name in layout.runnable if name in layout.variants]


def _below(layout: Layout, path: str) -> str:
    """A path below the folder of its kind."""
    return path.removeprefix(f"{layout.root}/").partition("/")[2]
