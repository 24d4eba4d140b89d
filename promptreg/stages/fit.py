"""Fit a dense displacement field to the corresponding ROIs of each pair of a shard."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from promptreg.config import Fit
from promptreg.ddf import fit_ddf
from promptreg.provenance import Signature
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, ddf_variables, grid_from, grid_record
from promptreg.store import create
from promptreg.types import RoiPairs


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the ddf store of one shard from its correspondences, pairs and images."""
    stores = Inputs(inputs)
    config = Fit.model_validate(job["fit"])

    def work(name: str) -> Result:
        record = stores.read("correspondences", name)
        result = fit_ddf(roi_pairs_from(record), stores.pair(name), config, initial=_start(record))
        attrs = {
            "grid": grid_record(result.ddf.grid),
            "start": result.start_kind,
            "roi_dice_start": [round(float(one), 4) for one in result.roi_dice_start],
            "roi_dice": [round(float(one), 4) for one in result.roi_dice],
            "accepted": int(record["weights"].values.astype(bool).sum()),
            "reasons": record.attrs["reasons"],
            "seconds": record.attrs["seconds"],
            "peak_memory_mb": record.attrs["peak_memory_mb"],
        }
        return ddf_variables(result.ddf), attrs

    with create(output, Signature("ddf", job, stores.digests(), job["code"])) as writer:
        attempt_each(writer, "fit", stores.groups("correspondences"), work)


def roi_pairs_from(record: xr.Dataset) -> RoiPairs:
    """Return the ROI pairs of a stored correspondence record, in float32."""
    return RoiPairs(
        torch.from_numpy(record["moving"].values).float(),
        torch.from_numpy(record["fixed"].values).float(),
        grid_from(record.attrs["moving_grid"]),
        grid_from(record.attrs["fixed_grid"]),
        torch.from_numpy(record["weights"].values),
    )


def _start(record: xr.Dataset) -> np.ndarray | None:
    prior = record.attrs["prior"]
    return np.linalg.inv(np.array(prior["matrix"])) if prior and prior["reliable"] else None
