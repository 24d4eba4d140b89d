"""What a benchmark sums up, tabulates and draws, and from which of its stores; imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from promptreg.datasets.base import PairSpec
from promptreg.stage_layout import StageLayout


class Layout(StageLayout):
    """All stores, tables and figures of a benchmark, by path, and what each is made from."""

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

    @property
    def published(self) -> str:
        """The file of the numbers that others have published."""
        return str(Path(__file__).with_name("published.csv"))

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

    @property
    def shown(self) -> list[str]:
        """The variant whose prompts and ROIs are drawn: the one called promptreg, or else the last."""
        names = [name for name in self.variants if name in self.runnable]
        return names if not names else ["promptreg" if "promptreg" in names else names[-1]]
