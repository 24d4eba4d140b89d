"""A tiny benchmark that has not run, and one that has."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_benchmark import SETTINGS, Benchmark, tiny_pairs


@pytest.fixture
def fresh(tmp_path: Path) -> Benchmark:
    """A tiny benchmark that has not run."""
    return Benchmark(tmp_path, tiny_pairs(tmp_path), SETTINGS)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A tiny benchmark that has run once from images to report; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    benchmark = Benchmark(folder, tiny_pairs(folder), SETTINGS)
    benchmark.complete()
    return benchmark
