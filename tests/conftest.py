"""Puts this folder on the import path, so that tests can import `toy_model` and `small_sam`.

Under pytest-xdist each file's tests stay on one worker, and all tests of the workflow on one: they share
one finished run. Torch gets one thread in every test, as in a job of the workflow: sums over several threads
differ in their last bits, and the suite compares bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

WORKFLOW = "tests/workflow/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return WORKFLOW if nodeid.startswith(WORKFLOW) else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_configure() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread_again() -> Iterator[None]:
    """Commands set the number of threads of the process that runs them, here that of the tests."""
    yield
    torch.set_num_threads(1)
