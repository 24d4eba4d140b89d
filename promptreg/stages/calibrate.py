"""Set what the uncertainty of regions foretells against errors at landmarks, for the pairs of a shard."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import torch

from promptreg.atomic import replacing
from promptreg.calibration import of_field, of_regions
from promptreg.calibration_table import COLUMNS
from promptreg.stages.gallery import correspondences_from
from promptreg.stages.inputs import Inputs, NoResult
from promptreg.stats import GROUP

log = logging.getLogger("promptreg")

POINTS = ("fixed_landmarks", "moving_landmarks")


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write a row for every landmark and predictor as parquet; `inputs` are ddf, correspondences, pairs.

    Pairs without landmarks, or without a field, have no rows.
    """
    stores = Inputs(inputs)
    frames = [pd.DataFrame(columns=list(COLUMNS)).astype({"predicted": float, "error": float})]
    for name in stores.groups("pairs"):
        try:
            frames += _frames(stores, name, job)
        except NoResult as lost:
            log.info("calibrate %s: %s", name, lost)
    with replacing(output) as path:
        pd.concat(frames[1:] or frames, ignore_index=True)[list(COLUMNS)].to_parquet(path, index=False)


def _frames(stores: Inputs, name: str, job: dict[str, Any]) -> list[pd.DataFrame]:
    record = stores.read("pairs", name)
    if any(one not in record for one in POINTS):
        return []
    fixed, moving = (torch.from_numpy(record[one].values) for one in POINTS)
    found, field = correspondences_from(stores.read("correspondences", name)), stores.ddf(name)
    keys = dict(zip(GROUP, (job["dataset"], record.attrs["group"]), strict=True))
    keys |= {"entry": job["variant"], "pair": name}
    foretold = [*of_field(found, field, fixed, moving), of_regions(found, fixed, moving)]
    return [
        pd.DataFrame({"predicted": one.predicted.numpy(), "error": one.error.numpy()}).assign(
            **keys,
            predictor=one.predictor,
            unit=one.unit,
            error_unit="" if one.predictor == "variance" else field.grid.unit,
        )
        for one in foretold
        if len(one.error)
    ]
