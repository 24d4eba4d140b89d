"""Search the corresponding prompts of the pairs of a shard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from promptreg.active import find_with_prompts
from promptreg.config import Search
from promptreg.device import choose_device
from promptreg.models.base import PromptableModel
from promptreg.prompts import points_inside
from promptreg.provenance import Signature
from promptreg.search import Rois
from promptreg.seeds import derive_seed
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, NoResult, Variables, grid_from, grid_record, spatial_dims
from promptreg.stages.loaded import NOT_TESTED, load_model, weights_digest
from promptreg.store import create
from promptreg.transfer import find_rois
from promptreg.turned_prior import orient
from promptreg.types import PointPrompts

log = logging.getLogger("promptreg")


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the ROI store of one shard: found prompts, per-prompt and per-view ROI probabilities."""
    stores = Inputs(inputs)
    config = Search.model_validate(job["search"])
    device = choose_device(job["device"])

    @cache
    def model() -> PromptableModel:
        return load_model(job["model"], job)

    def work(name: str) -> Result:
        if name not in job.get("tested", [name]):
            raise NoResult("not run", NOT_TESTED)
        record = stores.read("pairs", name)
        moving, fixed = record.attrs["moving"], record.attrs["fixed"]
        views = [stores.embedding(moving, number, device) for number in range(job["views"])]
        turns = range(1, job["turns"] if views[0].image_grid.ndim == 2 else 1)
        turned = [stores.embedding(moving, number, device, kind="turn") for number in turns]
        labels = record["moving_labels"].values if "moving_labels" in record else None
        seed = derive_seed(job["seed"], job["dataset"], name, "prompts")
        target = stores.embedding(fixed, 0, device)
        prealignment = np.array(record.attrs["prealignment"])
        searching = derive_seed(job["seed"], job["dataset"], name, "search")
        oriented = orient(
            [views[0], *turned], target, config=config, prealignment=prealignment, seed=searching
        )

        def find(prompts: PointPrompts) -> Rois:
            return find_rois(
                model(),
                views,
                target,
                prompts.to(device),
                config=config,
                prealignment=prealignment,
                seed=searching,
                oriented=oriented,
            )

        rois = find_with_prompts(
            find, stores.image(moving), labels, config.prompts, prealignment=prealignment, seed=seed
        )
        variables = roi_variables(rois)
        if labels is not None:
            inside = points_inside(rois.prompts.points[:, 0], labels, grid_from(record.attrs["moving_grid"]))
            variables["inside"] = (("prompt",), inside.numpy())
        return variables, {
            "moving_grid": grid_record(rois.moving_grid),
            "fixed_grid": grid_record(rois.fixed_grid),
            "prealignment": record.attrs["prealignment"],
            "prior": _prior_record(rois),
            "families": [_family(stores, moving, number) for number in range(job["views"])],
            **_embedding_costs(stores, moving, fixed, job["views"], turns),
        }

    made_from = stores.digests() | weights_digest(job)
    with create(output, Signature("rois", job, made_from, job["code"])) as writer:
        attempt_each(writer, "search", job["pairs"], work, count_flops="count_flops" in job)


def roi_variables(rois: Rois) -> Variables:
    """Return what was found, for the store; probabilities in float16."""
    moving, fixed = (
        spatial_dims(rois.moving_grid.ndim, "moving_"),
        spatial_dims(rois.fixed_grid.ndim, "fixed_"),
    )

    def half(tensor: torch.Tensor) -> np.ndarray:
        return tensor.cpu().numpy().astype(np.float16)

    return {
        "prompts": (("prompt", "given", "component"), rois.prompts.points.cpu().double().numpy()),
        "prompt_labels": (("prompt", "given"), rois.prompts.labels.cpu().numpy().astype(np.int8)),
        "moving": (("prompt", "view", *moving), half(rois.moving)),
        "visible": (("prompt", "view", *moving), rois.visible.cpu().numpy()),
        "fixed": (("prompt", "view", *fixed), half(rois.fixed)),
        "points": (("prompt", "view", "point", "component"), rois.points.cpu().double().numpy()),
        "labels": (("prompt", "view", "point"), rois.labels.cpu().numpy().astype(np.int8)),
        "residual": (("prompt", "view"), rois.residual.cpu().double().numpy()),
        "agreement": (("prompt", "view"), rois.agreement.cpu().double().numpy()),
        "cycle": (("prompt", "view"), rois.cycle.cpu().numpy()),
    }


def _prior_record(rois: Rois) -> dict[str, Any] | None:
    if rois.prior is None:
        return None
    return {
        "matrix": rois.prior.matrix.tolist(),
        "reliable": bool(rois.prior.reliable),
        "reason": rois.prior.reason,
    }


def _family(stores: Inputs, moving: str, view: int) -> str:
    """The kind of a view of the moving image."""
    kind: str = stores.attrs("embeddings", f"{moving}.view{view}")["view"]["kind"]
    return kind


def _embedding_costs(
    stores: Inputs, moving: str, fixed: str, views: int, turns: Sequence[int]
) -> dict[str, Any]:
    """Seconds of the embeddings that a pair uses, and their operations where they were counted."""
    names = [f"{fixed}.view0", *(f"{moving}.view{number}" for number in range(views))]
    names += [f"{moving}.turn{number}" for number in turns]
    records = [stores.attrs("embeddings", name) for name in names]
    flops = sum(one.get("flops", {}).get("embed", 0) for one in records)
    return {
        "seconds": {"embed": round(sum(one["seconds"]["embed"] for one in records), 3)},
        "flops": {"embed": flops} if flops else {},
    }
