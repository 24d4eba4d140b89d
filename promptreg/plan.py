"""What must be made for a configuration: pairs, shards, stores, and the job that makes each.

The workflow asks this module for everything that its rules cannot say as plain text. Planning lists
data sets cheaply and reads no pixels; imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from math import ceil
from typing import Any

from promptreg.checkpoints import status as checkpoint_status
from promptreg.config import Config
from promptreg.datasets.base import PairSpec
from promptreg.naming import Labels
from promptreg.provenance import code_digest
from promptreg.registry import BASELINES, find
from promptreg.settings import ConfigError, Variant, load, variant
from promptreg.shards import DatasetPlan

LONGEST_JOB = 120_000
"""Characters; Linux passes at most 131072 bytes in one argument of a command."""


class Plan:
    """All stores of a benchmark, and the parameters of the job behind each."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.config: Config = load(raw)
        self.root = self.config.results_dir
        self.datasets = {
            spec.name: DatasetPlan(spec, self.config.manifest, self.config.shard_size)
            for spec in self.config.datasets
        }
        chosen = [name for name in self.config.methods if name not in BASELINES]
        self.variants = {name: variant(self.config, name) for name in chosen}
        encoders, views = Labels(), Labels()
        searches, marginals = Labels(), Labels()
        self.views_of: dict[str, tuple[str, str]] = {}
        self.search_of: dict[str, str] = {}
        self.marginal_of: dict[str, str] = {}
        for name, one in self.variants.items():
            encoder = encoders.label(one.embed.model, one.embed.model_dump(exclude={"views"}))
            block = views.label(one.embed.views.kind, one.embed.views.model_dump(exclude={"count"}))
            search = searches.label(name, [encoder, block, one.embed.views.count, one.search.model_dump()])
            self.views_of[name] = (encoder, block)
            self.search_of[name] = search
            self.marginal_of[name] = marginals.label(name, [search, one.marginalize.model_dump()])

    def images_job(self, dataset: str, shard: str) -> str:
        """Read and check the images of a shard."""
        plan = self.datasets[dataset]
        images = [
            {
                "image": one.image,
                "source": one.source,
                "misaligned": one.misaligned,
                "stamp": plan.reader.stamp(one.source),
            }
            for one in plan.images_in(shard)
        ]
        return self._job(
            "images",
            _module_of("dataset", plan.spec.reader),
            dataset=self._dataset(dataset),
            images=images,
            seed=self.config.seed,
        )

    def pairs_job(self, dataset: str, shard: str) -> str:
        """Check the pairs of a shard, read their annotations, pre-align them."""
        plan = self.datasets[dataset]
        stamps = {
            reference: plan.reader.stamp(reference)
            for one in plan.in_shard(shard)
            for reference in one.annotations.values()
        }
        return self._job(
            "pairs",
            _module_of("dataset", plan.spec.reader),
            dataset=self._dataset(dataset),
            pairs=[asdict(one) for one in plan.in_shard(shard)],
            stamps=stamps,
            prealign=self.config.prealign,
            seed=self.config.seed,
        )

    def embed_job(self, encoder: str, dataset: str, shard: str, views: str) -> str:
        """Embed one block of views of the images of a shard."""
        embed = self._embed_of(encoder, views)
        block = int(views.rpartition("-")[2]) if "-" in views else 0
        first, last = (
            (0, 1) if block == 0 else (1 + (block - 1) * embed.views.block, 1 + block * embed.views.block)
        )
        images = [one.image for one in self.datasets[dataset].images_in(shard) if one.moves or block == 0]
        settings = embed.model_dump(exclude={"views"} if block == 0 else {"views": {"count"}})
        return self._job(
            "embed",
            _module_of("model", embed.model),
            embed=settings,
            first=first,
            last=last,
            images=images,
            dataset=dataset,
            seed=self.config.seed,
            weights=_weights(embed.model),
        )

    def search_job(self, search: str, dataset: str, shard: str) -> str:
        """Search the corresponding prompts of the pairs of a shard."""
        one = self._searching(search)
        return self._job(
            "search",
            _module_of("model", one.embed.model),
            search=one.search.model_dump(),
            model=one.embed.model,
            device=one.embed.device,
            views=one.embed.views.count,
            dataset=dataset,
            pairs=[pair.pair for pair in self.datasets[dataset].in_shard(shard)],
            seed=self.config.seed,
            weights=_weights(one.embed.model),
        )

    def rois_of(self, marginal: str) -> str:
        """The search whose ROIs a marginalization averages."""
        return self.search_of[self._marginalizing(marginal).name]

    def marginalize_job(self, marginal: str) -> str:
        """Average over views, and judge."""
        return self._job("marginalize", marginalize=self._marginalizing(marginal).marginalize.model_dump())

    def fit_job(self, name: str) -> str:
        """Fit the fields of a variant."""
        return self._job("fit", fit=self.variants[name].fit.model_dump())

    def baseline_job(self, method: str) -> str:
        """Register the pairs of a shard with a method beside PromptReg."""
        return self._job(
            "baseline",
            _module_of("method", method),
            method=method,
            settings=self.config.baselines.model_dump(),
        )

    def unavailable(self, method: str) -> str:
        """Why a method cannot run here at all, or an empty text."""
        if method in BASELINES:
            return ""
        checkpoint = find("model", self.variants[method].embed.model).checkpoint
        if checkpoint is None or checkpoint_status(checkpoint)[0]:
            return ""
        return f"no weights: promptreg fetch {checkpoint}"

    def evaluate_inputs(self, method: str, dataset: str, shard: str) -> list[str]:
        """Stores to measure; for a method that cannot run here, only the pairs that it leaves out."""
        pairs = f"{self.root}/pairs/{dataset}/{shard}.zarr"
        return (
            [pairs]
            if self.unavailable(method)
            else [f"{self.root}/ddf/{method}/{dataset}/{shard}.zarr", pairs]
        )

    def evaluate_job(self, method: str, dataset: str) -> str:
        """Measure the fields of one method."""
        return self._job(
            "evaluate",
            unavailable=self.unavailable(method),
            method=method if method in BASELINES else "promptreg",
            variant="" if method in BASELINES else method,
            dataset=dataset,
            evaluate=self.config.evaluate.model_dump(),
        )

    def summary_job(self, stage: str, **more: str) -> str:
        """Tables, a figure or the report over everything; only figures and report depend on the style."""
        settings = self.config.model_dump(mode="json", exclude={"results_dir"})
        if stage == "tables":
            settings.pop("figures")
        return self._job(stage, config=settings, **more)

    def figure_input(self, figure: str) -> str:
        """What a figure over all pairs is drawn from."""
        sources = {"distributions": "metrics.parquet", "time": "timings.parquet"}
        return f"{self.root}/{sources.get(figure, f'figures/{figure}.dot')}"

    def image_stores(self, dataset: str, pairs: Iterable[PairSpec]) -> list[str]:
        """Image stores that hold both images of the pairs."""
        plan = self.datasets[dataset]
        shards = {plan.image_shard(image) for pair in pairs for image in (pair.moving, pair.fixed)}
        return [f"{self.root}/images/{dataset}/{shard}.zarr" for shard in sorted(shards)]

    def shard_images(self, dataset: str, shard: str) -> list[str]:
        """Image stores that a shard of pairs needs."""
        return self.image_stores(dataset, self.datasets[dataset].in_shard(shard))

    def embeddings(self, search: str, dataset: str, shard: str) -> list[str]:
        """Embedding stores that a shard needs: one view of its fixed images, all of its moving ones."""
        one = self._searching(search)
        encoder, views = self.views_of[one.name]
        plan = self.datasets[dataset]
        blocks = ceil((one.embed.views.count - 1) / one.embed.views.block)
        needed: set[tuple[str, str]] = set()
        for pair in plan.in_shard(shard):
            needed |= {(plan.image_shard(image), "identity") for image in (pair.moving, pair.fixed)}
            needed |= {(plan.image_shard(pair.moving), f"{views}-{number + 1}") for number in range(blocks)}
        return [
            f"{self.root}/embeddings/{encoder}/{dataset}/{image}/{view}.zarr"
            for image, view in sorted(needed)
        ]

    def shard_files(self, pattern: str) -> list[str]:
        """Expand `pattern` over every method, data set and shard."""
        return [
            pattern.format(root=self.root, method=method, dataset=dataset, shard=shard)
            for method in self.config.methods
            for dataset, plan in self.datasets.items()
            for shard in plan.shards()
        ]

    @cached_property
    def gallery(self) -> dict[str, list[PairSpec]]:
        """Pairs of each data set that are drawn: the groups take turns until the gallery is full."""
        chosen = {}
        for dataset, plan in self.datasets.items():
            groups: dict[str, list[PairSpec]] = {}
            for pair in plan.pairs:
                groups.setdefault(pair.group, []).append(pair)
            turns = [
                group[turn]
                for turn in range(len(plan.pairs))
                for group in groups.values()
                if turn < len(group)
            ]
            chosen[dataset] = turns[: self.config.figures.gallery]
        return chosen

    def gallery_files(self, pattern: str) -> list[str]:
        """Expand `pattern` over every drawn pair."""
        return [
            pattern.format(root=self.root, dataset=dataset, pair=pair.pair)
            for dataset, pairs in self.gallery.items()
            for pair in pairs
        ]

    def gallery_inputs(self, dataset: str, pair: str) -> list[str]:
        """All stores that the pictures of a pair are drawn from."""
        plan, root = self.datasets[dataset], self.root
        position = plan.position(pair)
        shard = plan.shard_of(pair)
        stores = [f"{root}/pairs/{dataset}/{shard}.zarr", *self.image_stores(dataset, [plan.pairs[position]])]
        stores += self.fields(dataset, pair).values()
        return stores + [
            f"{root}/correspondences/{self.marginal_of[name]}/{dataset}/{shard}.zarr" for name in self.shown
        ]

    def fields(self, dataset: str, pair: str) -> dict[str, str]:
        """The ddf store of a pair for every method that can run here."""
        shard = self.datasets[dataset].shard_of(pair)
        return {method: f"{self.root}/ddf/{method}/{dataset}/{shard}.zarr" for method in self.runnable}

    @cached_property
    def runnable(self) -> list[str]:
        """The methods that can run here, in table order."""
        return [method for method in self.config.methods if not self.unavailable(method)]

    @property
    def shown(self) -> list[str]:
        """The variant whose prompts and ROIs are drawn: the one called promptreg, or else the last."""
        names = [name for name in self.variants if name in self.runnable]
        return names if not names else ["promptreg" if "promptreg" in names else names[-1]]

    def gallery_job(self, dataset: str, pair: str) -> str:
        """Draw the pictures of one pair."""
        return self._job(
            "gallery",
            pair=pair,
            dataset=dataset,
            fields=self.fields(dataset, pair),
            shown=self.shown[0] if self.shown else None,
            figures=self.config.figures.model_dump(),
        )

    def _job(self, stage: str, *modules: str, **parameters: Any) -> str:
        """Everything that decides a job's result, as JSON; Snakemake reruns the job when it changes."""
        code = code_digest(f"promptreg.stages.{stage}", *modules)
        job = json.dumps({**parameters, "code": code})
        if len(job) > LONGEST_JOB:
            msg = (
                f"a job of stage '{stage}' has {len(job)} characters of parameters, more than a command line "
                f"holds: set shard_size below {self.config.shard_size}"
            )
            raise ConfigError(msg)
        return job

    def _dataset(self, name: str) -> dict[str, Any]:
        plan = self.datasets[name]
        misalign = plan.spec.misalign.model_dump() if plan.spec.misalign else None
        return {"name": name, "reader": plan.spec.reader, "path": plan.path, "misalign": misalign}

    def _embed_of(self, encoder: str, views: str) -> Any:
        kind = views.rpartition("-")[0]
        for name, labels in self.views_of.items():
            if labels == (encoder, kind) or (views == "identity" and labels[0] == encoder):
                return self.variants[name].embed
        msg = f"no variant uses embeddings of {encoder}, {views}"
        raise ConfigError(msg)

    def _searching(self, search: str) -> Variant:
        return next(self.variants[name] for name, label in self.search_of.items() if label == search)

    def _marginalizing(self, marginal: str) -> Variant:
        return next(self.variants[name] for name, label in self.marginal_of.items() if label == marginal)


def _module_of(kind: str, name: str) -> str:
    return find(kind, name).target.partition(":")[0]


def _weights(model: str) -> str:
    checkpoint = find("model", model).checkpoint
    if checkpoint is None:
        return "none"
    return "present" if checkpoint_status(checkpoint)[0] else "absent"
