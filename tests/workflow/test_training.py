"""A model that is trained on labels adds its training to a run, and only where it can run at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_benchmark import Benchmark

from promptreg import checkpoints

METHODS = ["identity", "promptreg_sam_adapter3d"]


@pytest.fixture
def pretended(fresh: Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Benchmark:
    """A benchmark that sees a file of the right size and kind where the published weights would be."""
    cache = tmp_path / "cache"
    cache.mkdir()
    row = checkpoints.find("sam_vit_b")
    with (cache / row.file).open("wb") as stream:
        stream.write(b"PK")
        stream.truncate(row.n_bytes)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PROMPTREG_CACHE": str(cache)}
    monkeypatch.setattr(Benchmark, "environment", environment)
    return fresh


def test_without_the_weights_beneath_nothing_is_trained(fresh: Benchmark) -> None:
    jobs = fresh.planned(methods=METHODS).jobs
    assert not {"train", "embed", "search"} & set(jobs)
    assert jobs["evaluate"] == 2


def test_training_comes_once_before_embedding_and_search(pretended: Benchmark) -> None:
    planned = pretended.planned(methods=METHODS)
    assert planned.jobs["train"] == 1
    (reason,) = (why for message, why in planned.reasons.items() if message.startswith("Embedding identity"))
    assert "training/sam_adapter3d/tiny/weights.safetensors" in reason
    (reason,) = (why for message, why in planned.reasons.items() if message.startswith("Searching"))
    assert "weights.safetensors" in reason


def test_a_run_of_models_that_need_no_training_has_none(pretended: Benchmark) -> None:
    assert "train" not in pretended.planned(methods=["identity", "promptreg"]).jobs
