"""Fit a dense displacement field to the corresponding ROIs of each pair of a shard."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from promptreg.config import Fit
from promptreg.ddf import fit_ddf
from promptreg.device import choose_device
from promptreg.image_terms import Embeddings
from promptreg.provenance import Signature
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, ddf_variables, grid_record, roi_pairs_from
from promptreg.store import create


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the ddf store of one shard from its correspondences, pairs and images."""
    stores = Inputs(inputs)
    config = Fit.model_validate(job["fit"])

    def work(name: str) -> Result:
        record = stores.read("correspondences", name)
        result = fit_ddf(
            roi_pairs_from(record),
            stores.pair(name),
            config,
            initial=_start(record),
            embeddings=_embeddings(stores, name, config) if config.needs_features else None,
        )
        attrs = {
            "grid": grid_record(result.ddf.grid),
            "start": result.start_kind,
            "roi_dice_start": [round(float(one), 4) for one in result.roi_dice_start],
            "roi_dice": [round(float(one), 4) for one in result.roi_dice],
            "accepted": int(record["weights"].values.astype(bool).sum()),
            "reasons": record.attrs["reasons"],
            "returning": record.attrs["returning"],
            "seconds": record.attrs["seconds"],
            "peak_memory_mb": record.attrs["peak_memory_mb"],
            "flops": record.attrs.get("flops", {}),
        }
        return ddf_variables(result.ddf), attrs

    with create(output, Signature("ddf", job, stores.digests(), job["code"])) as writer:
        attempt_each(writer, "fit", stores.groups("correspondences"), work, count_flops="count_flops" in job)


def _embeddings(stores: Inputs, name: str, config: Fit) -> Embeddings:
    """Those of the moving and the fixed image of a pair, as they are."""
    attrs, device = stores.read("pairs", name).attrs, choose_device(config.device)
    return stores.embedding(attrs["moving"], 0, device), stores.embedding(attrs["fixed"], 0, device)


def _start(record: xr.Dataset) -> np.ndarray | None:
    """The global prior as a start of the fit, where it is reliable and some accepted pair bears it out."""
    prior = record.attrs["prior"]
    if not prior or not prior["reliable"] or not record["weights"].values.any():
        return None
    return np.linalg.inv(np.array(prior["matrix"]))
