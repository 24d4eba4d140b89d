"""Which pairs, shards and stores a configuration asks for, and which of them need which.

Planning lists data sets cheaply and reads no pixels; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

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


class Layout:
    """All stores of a benchmark, by path, and what each is made from."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.config: Config = load(raw)
        self.root = self.config.results_dir
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

    def targets(self, fetched: Iterable[object] = ()) -> list[str]:
        """All that a run makes; `fetched` is waited for, since what data sets hold is only known then."""
        list(fetched)
        shown = self.config.figures.format
        figures = ("distributions", "time", *self.analyses)
        return [
            f"{self.root}/metrics.parquet",
            f"{self.root}/timings.parquet",
            *(f"{self.root}/tables/{name}.csv" for name in ("table1", *self.analyses)),
            *(f"{self.root}/figures/{name}.{shown}" for name in figures),
            *self.gallery_files("{root}/figures/{dataset}/{pair}"),
            f"{self.root}/report.html",
        ]

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

    @property
    def published(self) -> str:
        """The file of the numbers that others have published."""
        return str(Path(__file__).with_name("published.csv"))

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

    def figure_input(self, figure: str) -> str:
        """What a figure over all pairs is drawn from."""
        sources = {
            "distributions": "metrics.parquet",
            "time": "timings.parquet",
            "hours": "tables/costs.csv",
            "ranks": "tables/ranking.csv",
            "stability": "tables/rank_stability.csv",
        }
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

    @property
    def measures(self) -> list[str]:
        """The measures of every method, and of pairs registered both ways by those that can run."""
        files = self.shard_files("{root}/metrics/{method}/{dataset}/{shard}.parquet")
        return files + [f"{self.root}/metrics/{one}/inverse.parquet" for one in self.compared_both_ways]

    @property
    def compared_both_ways(self) -> list[str]:
        """Methods that can run, each with the data sets whose pairs are registered both ways, by "/"."""
        both = [name for name, plan in self.datasets.items() if plan.spec.both_ways]
        return [f"{method}/{dataset}" for method in self.runnable for dataset in both]

    def inverse_inputs(self, method: str, dataset: str) -> list[str]:
        """All stores of a data set that the fields of both ways are read from."""
        plan, root = self.datasets[dataset], self.root
        fields = [f"{root}/ddf/{method}/{dataset}/{shard}.zarr" for shard in plan.shards()]
        pairs = [f"{root}/pairs/{dataset}/{shard}.zarr" for shard in plan.shards()]
        return [*fields, *pairs, *self.image_stores(dataset, plan.pairs)]

    def compared(self, dataset: str) -> list[PairSpec]:
        """The pairs of a data set that every method runs on: all, unless only the test is asked for."""
        plan, train = self.datasets[dataset], self.config.train
        return plan.tested_pairs(train, self.config.seed) if train.test_only else plan.pairs

    @cached_property
    def gallery(self) -> dict[str, list[PairSpec]]:
        """Pairs of each data set that are drawn: the groups take turns until the gallery is full."""
        chosen = {}
        for dataset, plan in self.datasets.items():
            groups: dict[str, list[PairSpec]] = {}
            for pair in self.compared(dataset):
                groups.setdefault(pair.group, []).append(pair)
            turns = [
                group[turn]
                for turn in range(len(plan.pairs))
                for group in groups.values()
                if turn < len(group)
            ]
            chosen[dataset] = turns[: self.config.figures.gallery]
        return chosen

    @cached_property
    def sources(self) -> dict[tuple[str, str], list[str]]:
        """Where the pairs of each data set and group come from, as far as the data sets say."""
        found: dict[tuple[str, str], list[str]] = {}
        for dataset, plan in self.datasets.items():
            for pair in plan.pairs:
                if pair.source:
                    found.setdefault((dataset, pair.group), []).append(pair.source)
        return {key: sorted(set(names)) for key, names in found.items()}

    @cached_property
    def pair_stores(self) -> list[str]:
        """The pairs stores of all data sets."""
        return [
            f"{self.root}/pairs/{dataset}/{shard}.zarr"
            for dataset, plan in self.datasets.items()
            for shard in plan.shards()
        ]

    def gallery_files(self, pattern: str) -> list[str]:
        """Expand `pattern` over every drawn pair."""
        return [
            pattern.format(root=self.root, dataset=dataset, pair=pair.pair)
            for dataset, pairs in self.gallery.items()
            for pair in pairs
        ]

    def extremes_inputs(self, dataset: str) -> list[str]:
        """All stores of a data set that pictures are drawn from, for whichever pairs are chosen."""
        plan, root = self.datasets[dataset], self.root
        pairs = [f"{root}/pairs/{dataset}/{shard}.zarr" for shard in plan.shards()]
        fields = [
            f"{root}/ddf/{method}/{dataset}/{shard}.zarr"
            for method in self.runnable
            for shard in plan.shards()
        ]
        return [*pairs, *self.image_stores(dataset, plan.pairs), *fields]

    def gallery_inputs(self, dataset: str, pair: str) -> list[str]:
        """All stores that the pictures of a pair are drawn from."""
        plan, root = self.datasets[dataset], self.root
        position = plan.position(pair)
        shard = plan.shard_of(pair)
        stores = [f"{root}/pairs/{dataset}/{shard}.zarr", *self.image_stores(dataset, [plan.pairs[position]])]
        stores += self.fields(dataset, pair).values()
        return stores + list(dict.fromkeys(self.searched(dataset, pair).values()))

    def searched(self, dataset: str, pair: str) -> dict[str, str]:
        """The correspondences of a pair by variant: of the one that is shown, and of those beside it."""
        shard = self.datasets[dataset].shard_of(pair)
        beside = [name for name in self.config.figures.paradigms if name in self.variants]
        names = dict.fromkeys([*self.shown, *(name for name in beside if name in self.runnable)])
        return {
            name: f"{self.root}/correspondences/{self.marginal_of[name]}/{dataset}/{shard}.zarr"
            for name in names
        }

    @property
    def analyses(self) -> dict[str, str]:
        """The kind of each analysis beside the tables of every run, by the name of its table and figure."""
        asked = dict.fromkeys(self.config.ablations, "ablation")
        if any(one.corrupt for one in self.config.datasets):
            asked["robustness"] = "robustness"
        return asked | {name: name for name in self.config.analyses}

    def analysis_inputs(self, name: str) -> list[str]:
        """What an analysis reads besides measures, costs, pairs and published numbers."""
        if name != "calibration":
            return []
        return [f"{self.root}/calibration/{one}.parquet" for one in self.calibrated]

    @property
    def calibrated(self) -> list[str]:
        """Variants that can run with every data set and shard, by "/", if their uncertainty is asked for."""
        if "calibration" not in self.config.analyses:
            return []
        return [
            f"{variant}/{dataset}/{shard}"
            for variant in self.variants
            if variant in self.runnable
            for dataset, plan in self.datasets.items()
            for shard in plan.shards()
        ]

    @property
    def figure_formats(self) -> list[str]:
        """The formats of every figure, that of the report first."""
        return list(dict.fromkeys((self.config.figures.format, self.config.figures.vector)))

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

    def _searching(self, search: str) -> Variant:
        return next(self.variants[name] for name, label in self.search_of.items() if label == search)

    def _marginalizing(self, marginal: str) -> Variant:
        return next(self.variants[name] for name, label in self.marginal_of.items() if label == marginal)
