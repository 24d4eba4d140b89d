"""Which pairs, shards and stores a configuration asks for up to its measures, and which need which.

Planning lists data sets cheaply and reads no pixels; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from promptreg.availability import availability, root_of
from promptreg.checkpoints import obstacle, shipped_hash
from promptreg.config import Config
from promptreg.datasets.base import PairSpec
from promptreg.entry import LABEL_SUPERVISED
from promptreg.naming import Labels
from promptreg.pair_choice import Scope
from promptreg.registry import BASELINES, find
from promptreg.settings import Variant, load, variant
from promptreg.shards import DatasetPlan
from promptreg.splits import Part


class ViewLabels(NamedTuple):
    """Names of the embeddings that a variant reads: its encoder, views and, or empty, turned views."""

    encoder: str
    views: str
    turned: str


class StageLayout:
    """The stores that a benchmark registers with, by path, and what each is made from."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.config: Config = load(raw)
        self.root = str(Path(self.config.results_dir).expanduser())
        data = availability(self.config)
        self.to_fetch, self.left_out = data.to_fetch, dict(data.left_out)
        self.data_root = str(root_of(self.config))
        self.datasets = {
            spec.name: DatasetPlan(spec, self.config.manifest, self.config.shard_size, self._scope)
            for spec in data.datasets
        }
        chosen = [name for name in self.config.methods if name not in BASELINES]
        self.variants = {name: variant(self.config, name) for name in chosen}
        encoders, views = Labels(), Labels()
        searches, marginals = Labels(), Labels()
        self.views_of: dict[str, ViewLabels] = {}
        self.search_of: dict[str, str] = {}
        self.marginal_of: dict[str, str] = {}
        for name, one in self.variants.items():
            encoder = encoders.label(one.embed.model, one.embed.model_dump(exclude={"views"}))
            drawn, turns = one.embed.views.model_dump(exclude={"count", "turns"}), one.embed.views.turns
            block = views.label(one.embed.views.kind, drawn)
            turned = views.label("turned", turns) if one.search.needs_prior and turns > 1 else ""
            self.views_of[name] = ViewLabels(encoder, block, turned)
            search = searches.label(
                name, [*self.views_of[name], one.embed.views.count, one.search.model_dump()]
            )
            self.search_of[name] = search
            self.marginal_of[name] = marginals.label(name, [search, one.marginalize.model_dump()])

    @property
    def _scope(self) -> Scope:
        """What methods are compared on; pairs to train on are kept if any method is trained on them."""
        names = self.config.methods
        models = [variant(self.config, name).embed.model for name in names if name not in BASELINES]
        trains = any(BASELINES[name].learned for name in names if name in BASELINES) or any(
            find("model", model).supervision == LABEL_SUPERVISED for model in models
        )
        return Scope(self.config.train, self.config.seed, trains, self.config.learn.pairs)

    def check(self) -> None:
        """List the pairs of every data set that is here; ConfigError on bad input."""
        for plan in self.datasets.values():
            if Path(plan.path or "").name not in self.to_fetch:
                plan.shards()

    def rois_of(self, marginal: str) -> str:
        """The search whose ROIs a marginalization averages."""
        return self.search_of[self._marginalizing(marginal).name]

    def unavailable(self, method: str) -> str:
        """Why a method cannot run here at all, or an empty text."""
        if method in BASELINES and (own := BASELINES[method].checkpoint):
            return obstacle(own, self.config.accept_licences)
        if method in BASELINES and not BASELINES[method].promptable:
            return ""
        of_baselines = self.config.baselines.features_model
        entry = find("model", of_baselines if method in BASELINES else self.variants[method].embed.model)
        if entry.shipped is not None and shipped_hash(entry.shipped) is None:
            return f"no weights of {entry.shipped} in this installation: promptreg train makes them"
        if entry.checkpoint is None:
            return ""
        return obstacle(entry.checkpoint, self.config.accept_licences)

    def trained(self, model: str, dataset: str) -> list[str]:
        """The weights that a model is trained to on a data set; none for a model that needs no training."""
        if find("model", model).supervision != LABEL_SUPERVISED:
            return []
        return [f"{self.root}/training/{model}/{dataset}/weights.safetensors"]

    def encoder_weights(self, encoder: str, dataset: str) -> list[str]:
        """The trained weights that embeddings depend on."""
        users = (self.variants[name] for name, labels in self.views_of.items() if labels[0] == encoder)
        return self.trained(next(users).embed.model, dataset)

    def search_weights(self, search: str, dataset: str) -> list[str]:
        """The trained weights that a search depends on."""
        return self.trained(self._searching(search).embed.model, dataset)

    def evaluate_inputs(self, method: str, dataset: str, shard: str) -> list[str]:
        """Stores to measure; for a method that cannot run here, only the pairs that it leaves out."""
        pairs = f"{self.root}/pairs/{dataset}/{shard}.zarr"
        return (
            [pairs]
            if self.unavailable(method)
            else [f"{self.root}/ddf/{method}/{dataset}/{shard}.zarr", pairs]
        )

    def environment(self, method: str) -> list[str]:
        """What says that the environment of a method's tool has been seen to."""
        name = BASELINES[method].environment
        return [f"{self.root}/environments/{name}.txt"] if name else []

    def learned(self, method: str, dataset: str) -> list[str]:
        """The weights that a method is trained to on a data set; none for a method that needs no training."""
        known = BASELINES[method].learned
        return [f"{self.root}/learning/{method}/{dataset}/weights.safetensors"] if known else []

    def learning_inputs(self, dataset: str) -> list[str]:
        """Stores of the pairs that methods may be trained on, and of their images."""
        plan = self.datasets[dataset]
        chosen = {name for names in self.learning_pairs(dataset).values() for name in names}
        shards = [one for one in plan.all_shards() if any(pair.pair in chosen for pair in plan.in_shard(one))]
        pairs = [f"{self.root}/pairs/{dataset}/{shard}.zarr" for shard in shards]
        return pairs + self.image_stores(dataset, [pair for pair in plan.pairs if pair.pair in chosen])

    def learning_pairs(self, dataset: str) -> dict[Part, list[str]]:
        """Names of the pairs of a data set by their part of the split."""
        return self.datasets[dataset].training_pairs(self.config.train, self.config.seed)

    def image_stores(self, dataset: str, pairs: Iterable[PairSpec]) -> list[str]:
        """Image stores that hold both images of the pairs."""
        plan = self.datasets[dataset]
        shards = {plan.image_shard(image) for pair in pairs for image in (pair.moving, pair.fixed)}
        return [f"{self.root}/images/{dataset}/{shard}.zarr" for shard in sorted(shards)]

    def shard_images(self, dataset: str, shard: str) -> list[str]:
        """Image stores that a shard of pairs needs."""
        return self.image_stores(dataset, self.datasets[dataset].in_shard(shard))

    def embeddings(self, search: str, dataset: str, shard: str) -> list[str]:
        """Embedding stores that a shard needs: one view of its fixed images, all of its moving ones.

        Turned views are those of planar images.
        """
        one = self._searching(search)
        encoder, views, turned = self.views_of[one.name]
        plan = self.datasets[dataset]
        blocks = ceil((one.embed.views.count - 1) / one.embed.views.block)
        needed: set[tuple[str, str]] = set()
        for pair in plan.in_shard(shard):
            needed |= {(plan.image_shard(image), "identity") for image in (pair.moving, pair.fixed)}
            needed |= {(plan.image_shard(pair.moving), f"{views}-{number + 1}") for number in range(blocks)}
            if turned and pair.dimension == 2:
                needed.add((plan.image_shard(pair.moving), f"{turned}-1"))
        return [
            f"{self.root}/embeddings/{encoder}/{dataset}/{image}/{view}.zarr"
            for image, view in sorted(needed)
        ]

    def fit_inputs(self, variant: str, dataset: str, shard: str) -> list[str]:
        """What the fields of a shard are fitted to: regions, images, and features where they count."""
        marginal = self.marginal_of[variant]
        stores = [
            f"{self.root}/correspondences/{marginal}/{dataset}/{shard}.zarr",
            f"{self.root}/pairs/{dataset}/{shard}.zarr",
            *self.shard_images(dataset, shard),
        ]
        if self.variants[variant].fit.needs_features:
            stores += self.upright(self.views_of[variant].encoder, dataset, shard)
        return stores

    def upright(self, encoder: str, dataset: str, shard: str) -> list[str]:
        """Embedding stores of both images of a shard's pairs, each as it is."""
        plan = self.datasets[dataset]
        images = {image for pair in plan.in_shard(shard) for image in (pair.moving, pair.fixed)}
        shards = sorted({plan.image_shard(image) for image in images})
        return [f"{self.root}/embeddings/{encoder}/{dataset}/{one}/identity.zarr" for one in shards]

    def shard_files(self, pattern: str) -> list[str]:
        """Expand `pattern` over every method, data set and shard."""
        return [
            pattern.format(root=self.root, method=method, dataset=dataset, shard=shard)
            for method in self.config.methods
            for dataset, plan in self.datasets.items()
            for shard in plan.shards()
        ]

    @cached_property
    def runnable(self) -> list[str]:
        """The methods that can run here, in table order."""
        return [method for method in self.config.methods if not self.unavailable(method)]

    def _searching(self, search: str) -> Variant:
        return next(self.variants[name] for name, label in self.search_of.items() if label == search)

    def _marginalizing(self, marginal: str) -> Variant:
        return next(self.variants[name] for name, label in self.marginal_of.items() if label == marginal)
