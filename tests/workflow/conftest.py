"""A tiny benchmark that has not run, and one that has."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_benchmark import SETTINGS, Benchmark, copied_checkout, tiny_pairs


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow, which no one edits but tests that put back what was there."""
    return copied_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def fresh(tmp_path: Path, checkout: Path) -> Benchmark:
    """A tiny benchmark that has not run."""
    return Benchmark(tmp_path, tiny_pairs(tmp_path), SETTINGS, checkout)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Benchmark:
    """A tiny benchmark that has run once from images to report; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    benchmark = Benchmark(folder, tiny_pairs(folder), SETTINGS, checkout)
    benchmark.complete()
    return benchmark
