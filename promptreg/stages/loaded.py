"""The model of a job, with the weights that the workflow trained it to where it needs training."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from promptreg.models.base import PromptableModel
from promptreg.registry import find

NOT_TESTED = "not both subjects of this pair were kept for the test: trained methods may have seen them"


def load_model(name: str, job: dict[str, Any]) -> PromptableModel:
    """Build a model; `trained` of the job is the file of weights that it was trained to, if it was."""
    kind = find("model", name).load()
    model: PromptableModel = kind(job["trained"]) if "trained" in job else kind()
    return model


def weights_digest(job: dict[str, Any]) -> dict[str, str]:
    """Hash of that file, for the signature of what is made with it."""
    if "trained" not in job:
        return {}
    with Path(job["trained"]).open("rb") as stream:
        return {"trained weights": hashlib.file_digest(stream, "sha256").hexdigest()}
