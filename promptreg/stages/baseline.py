"""Register the pairs of a shard with a method beside PromptReg."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from promptreg.config import Baselines
from promptreg.provenance import Signature
from promptreg.registry import find
from promptreg.stages.attempt import Result, attempt_each
from promptreg.stages.inputs import Inputs, NoResult, ddf_variables, grid_record
from promptreg.stages.loaded import NOT_TESTED, weights_digest
from promptreg.store import create


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the ddf store of one shard from its pairs and images."""
    stores = Inputs(inputs)
    settings = Baselines.model_validate(job["settings"])
    kind = find("method", job["method"]).load()
    method = kind(job["trained"]) if "trained" in job else kind()

    def work(name: str) -> Result:
        if name not in job.get("tested", [name]):
            raise NoResult("not run", NOT_TESTED)
        with tempfile.TemporaryDirectory(prefix="promptreg-") as scratch:
            ddf = method.register(stores.pair(name), settings, Path(scratch))
        return ddf_variables(ddf), {"grid": grid_record(ddf.grid)}

    made_from = stores.digests() | weights_digest(job)
    with create(output, Signature("ddf", job, made_from, job["code"])) as writer:
        attempt_each(writer, "register", stores.groups("pairs"), work, count_flops="count_flops" in job)
