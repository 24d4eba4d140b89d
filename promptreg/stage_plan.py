"""The jobs that train, embed, search and register, with all that decides their results."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from promptreg.checkpoints import shipped_hash, signature
from promptreg.config import Views
from promptreg.datasets.base import PairSpec
from promptreg.layout import Layout
from promptreg.provenance import code_digest, fingerprint
from promptreg.registry import BASELINES, find
from promptreg.settings import ConfigError

LONGEST_JOB = 120_000
"""Characters; Linux passes at most 131072 bytes in one argument of a command."""


class StagePlan(Layout):
    """The layout of a benchmark, with the parameters of the jobs that make fields."""

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
            pairs=[_without_source(one) for one in plan.in_shard(shard)],
            stamps=stamps,
            prealign=self.config.prealign,
            seed=self.config.seed,
        )

    def embed_job(self, encoder: str, dataset: str, shard: str, views: str) -> str:
        """Embed one block of views of the images of a shard."""
        embed = self._embed_of(encoder, views)
        kind, _, block = views.rpartition("-")
        turned = any(kind == labels.turned for labels in self.views_of.values() if kind)
        first, last = _range_of_views(embed.views, int(block) if kind else 0, turned=turned)
        training = self._training(embed.model, dataset)
        chosen = training or self.config.train.test_only
        images = [
            one.image
            for one in self.datasets[dataset].images_in(shard)
            if (one.moves or not kind)
            and (one.dimension == 2 or not turned)
            and (not chosen or self._is_tested(dataset, one.image))
        ]
        heeded = {"turns"} if turned else set(Views.model_fields) - {"count", "turns"} if kind else set()
        settings = embed.model_dump(exclude={"views"}) | {"views": embed.views.model_dump(include=heeded)}
        return self._job(
            "embed",
            _module_of("model", embed.model),
            embed=settings,
            first=first,
            last=last,
            kind="turn" if turned else "view",
            images=images,
            dataset=dataset,
            seed=self.config.seed,
            weights=_weights(embed.model),
            **training,
            **self._counting,
        )

    def search_job(self, search: str, dataset: str, shard: str) -> str:
        """Search the corresponding prompts of the pairs of a shard."""
        one = self._searching(search)
        pairs = self.datasets[dataset].in_shard(shard)
        training = self._training(one.embed.model, dataset)
        if training or self.config.train.test_only:
            training["tested"] = self._tested(dataset, shard)
        return self._job(
            "search",
            _module_of("model", one.embed.model),
            search=one.search.model_dump(),
            model=one.embed.model,
            device=one.embed.device,
            views=one.embed.views.count,
            turns=one.embed.views.turns if self.views_of[one.name].turned else 1,
            dataset=dataset,
            pairs=[pair.pair for pair in pairs],
            seed=self.config.seed,
            weights=_weights(one.embed.model),
            **training,
            **self._counting,
        )

    def train_job(self, model: str, dataset: str) -> str:
        """Train a model on the labelled images of the subjects of a data set who are not in the test.

        What the images are is part of the job as a fingerprint alone: there may be too many to list.
        """
        plan = self.datasets[dataset]
        data = [
            [image, labels, part, plan.reader.stamp(image), plan.reader.stamp(labels)]
            for image, labels, part in plan.training_images(self.config.train, self.config.seed)
        ]
        return self._job(
            "train",
            _module_of("model", model),
            _module_of("dataset", plan.spec.reader),
            model=model,
            spec=plan.spec.model_dump(mode="json"),
            path=plan.path,
            train=self.config.train.model_dump(),
            seed=self.config.seed,
            data=fingerprint(data),
            weights=_weights(model),
        )

    def marginalize_job(self, marginal: str) -> str:
        """Average over views, and judge."""
        return self._job("marginalize", marginalize=self._marginalizing(marginal).marginalize.model_dump())

    def fit_job(self, name: str) -> str:
        """Fit the fields of a variant."""
        return self._job("fit", fit=self.variants[name].fit.model_dump(), **self._counting)

    def learn_job(self, method: str, dataset: str) -> str:
        """Train a method on the pairs of a data set none of whose subjects is in the test."""
        return self._job(
            "learn",
            _module_of("method", method),
            method=method,
            dataset=dataset,
            parts=self.learning_pairs(dataset),
            learn=self.config.learn.model_dump(),
            seed=self.config.seed,
        )

    def baseline_job(self, method: str, dataset: str, shard: str) -> str:
        """Register the pairs of a shard with a method beside PromptReg."""
        model: list[str] = []
        weights: dict[str, Any] = {}
        if BASELINES[method].promptable:
            name = self.config.baselines.features_model
            model, weights = [_module_of("model", name)], {"weights": _weights(name)}
        training: dict[str, Any] = {}
        for file in self.learned(method, dataset):
            training["trained"] = file
        if training or self.config.train.test_only:
            training["tested"] = self._tested(dataset, shard)
        if shipped := BASELINES[method].shipped:
            training["weights"] = shipped_hash(shipped) or "absent"
        if checkpoint := BASELINES[method].checkpoint:
            training["weights"] = signature(checkpoint)
        return self._job(
            "baseline",
            _module_of("method", method),
            *model,
            method=method,
            settings=self.config.baselines.model_dump(),
            **weights,
            **training,
            **self._counting,
        )

    def _job(self, stage: str, *modules: str, **parameters: Any) -> str:
        """Everything that decides a job's result, as JSON; Snakemake reruns the job when it changes."""
        modules = (f"promptreg.stages.{stage}", *modules)
        job = json.dumps({**parameters, "modules": modules, "code": code_digest(*modules)})
        if len(job) > LONGEST_JOB:
            msg = (
                f"a job of stage '{stage}' has {len(job)} characters of parameters, more than a command line "
                f"holds: set shard_size below {self.config.shard_size}"
            )
            raise ConfigError(msg)
        return job

    @property
    def _counting(self) -> dict[str, Any]:
        """What jobs are told where operations are counted; nothing otherwise, so that they stay alike."""
        return {"count_flops": True} if self.config.count_flops else {}

    def _training(self, model: str, dataset: str) -> dict[str, Any]:
        """What jobs are told of a model that was trained on a part of the data set; empty for others."""
        files = self.trained(model, dataset)
        return {"trained": files[0]} if files else {}

    def _tested(self, dataset: str, shard: str) -> list[str]:
        """Names of the pairs of a shard both of whose subjects were kept from training."""
        plan, train, seed = self.datasets[dataset], self.config.train, self.config.seed
        return [pair.pair for pair in plan.in_shard(shard) if plan.is_tested(pair, train, seed)]

    def _is_tested(self, dataset: str, image: str) -> bool:
        """Whether the subject of an image was kept from training."""
        return self.datasets[dataset].part_of(image, self.config.train, self.config.seed) == "test"

    def _dataset(self, name: str) -> dict[str, Any]:
        plan = self.datasets[name]
        changes = {
            key: section.model_dump()
            for key in ("misalign", "corrupt")
            if (section := getattr(plan.spec, key))
        }
        return {"name": name, "reader": plan.spec.reader, "path": plan.path, **changes}

    def _embed_of(self, encoder: str, views: str) -> Any:
        kind = views.rpartition("-")[0]
        for name, labels in self.views_of.items():
            if labels.encoder == encoder and (views == "identity" or kind in labels[1:]):
                return self.variants[name].embed
        msg = f"no variant uses embeddings of {encoder}, {views}"
        raise ConfigError(msg)


def _range_of_views(views: Views, block: int, *, turned: bool) -> tuple[int, int]:
    """First and last (exclusive) number of the views in one store; block 0 holds the identity."""
    if turned:
        return 1, views.turns
    return (0, 1) if block == 0 else (1 + (block - 1) * views.block, 1 + block * views.block)


def _without_source(spec: PairSpec) -> dict[str, Any]:
    """What a pair is read from; where it comes from changes no store, only what tables say."""
    return {name: value for name, value in asdict(spec).items() if name != "source"}


def _module_of(kind: str, name: str) -> str:
    return find(kind, name).target.partition(":")[0]


def _weights(model: str) -> str:
    """What a job depends on besides code and parameters: its weights, by hash."""
    entry = find("model", model)
    if entry.shipped is not None:
        return shipped_hash(entry.shipped) or "absent"
    return signature(entry.checkpoint) if entry.checkpoint else "none"
