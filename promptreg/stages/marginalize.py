"""Average the found ROIs over views and judge the pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from promptreg.config import Marginalize
from promptreg.correspond import Correspondences, correspond
from promptreg.provenance import Signature
from promptreg.search import Rois
from promptreg.selection import selected
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, Variables, grid_from, spatial_dims
from promptreg.store import create
from promptreg.types import PointPrompts


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the correspondence store of one shard from its ROI store."""
    stores = Inputs(inputs)
    config = Marginalize.model_validate(job["marginalize"])

    def work(name: str) -> Result:
        record = stores.read("rois", name)
        prior = record.attrs["prior"]
        rois = rois_from(record)
        found = correspond(
            rois,
            config,
            prealignment=np.array(record.attrs["prealignment"]),
            prior=np.array(prior["matrix"]) if prior and prior["reliable"] else None,
        )
        kept = {
            key: record.attrs[key]
            for key in ("moving_grid", "fixed_grid", "prealignment", "prior", "seconds")
        }
        attrs = {
            **kept,
            "reasons": list(found.reasons),
            "returning": returning_share(selected(rois, config)),
            "peak_memory_mb": record.attrs["peak_memory_mb"],
            "flops": record.attrs.get("flops", {}),
        }
        return correspondence_variables(found), attrs

    with create(output, Signature("correspondences", job, stores.digests(), job["code"])) as writer:
        attempt_each(writer, "marginalize", stores.groups("rois"), work)


def returning_share(rois: Rois) -> float | None:
    """Return the share of found prompts, over prompts and views, that lead back; None if there is none."""
    seen = rois.visible.flatten(2).any(-1)
    return float((rois.cycle & seen).sum() / seen.sum()) if seen.any() else None


def rois_from(record: xr.Dataset) -> Rois:
    """Return the ROIs of a stored pair; probabilities in float32."""

    def tensor(name: str) -> torch.Tensor:
        values = torch.from_numpy(record[name].values)
        return values.float() if values.dtype == torch.float16 else values

    return Rois(
        **{
            name: tensor(name)
            for name in (
                *("moving", "visible", "fixed", "points", "labels"),
                *("residual", "agreement", "cycle"),
            )
        },
        prompts=PointPrompts(tensor("prompts"), tensor("prompt_labels")),
        moving_grid=grid_from(record.attrs["moving_grid"]),
        fixed_grid=grid_from(record.attrs["fixed_grid"]),
        prior=None,
        families=tuple(record.attrs["families"]),
        inside=tensor("inside") if "inside" in record else None,
    )


def correspondence_variables(found: Correspondences) -> Variables:
    """Return ROI pairs, variances and points, for the store; probabilities in float16."""
    rois = found.rois
    moving, fixed = (
        spatial_dims(rois.moving_grid.ndim, "moving_"),
        spatial_dims(rois.fixed_grid.ndim, "fixed_"),
    )

    def half(tensor: torch.Tensor) -> np.ndarray:
        return tensor.cpu().numpy().astype(np.float16)

    return {
        "moving": (("prompt", *moving), half(rois.moving)),
        "fixed": (("prompt", *fixed), half(rois.fixed)),
        "moving_variance": (("prompt", *moving), half(found.moving_variance)),
        "fixed_variance": (("prompt", *fixed), half(found.fixed_variance)),
        "weights": (("prompt",), rois.weights.cpu().numpy()),
        "prompts": (("prompt", "given", "component"), found.prompts.points.cpu().numpy()),
        "prompt_labels": (("prompt", "given"), found.prompts.labels.cpu().numpy().astype(np.int8)),
        "points": (("prompt", "point", "component"), found.points.cpu().numpy()),
        "labels": (("prompt", "point"), found.labels.cpu().numpy().astype(np.int8)),
    }
