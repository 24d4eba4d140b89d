"""A Slurm cluster for the tests of this folder, or a skip that says what it lacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster of two nodes with GPUs and two without."""
    if lack := missing():
        pytest.skip(lack)
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        started.start()
        yield started
    finally:
        started.stop()
