"""Puts this folder on the import path, so that tests can import `toy_model` and `small_sam`.

Under pytest-xdist each file's tests stay on one worker, and all tests of the workflow on one: they share
one finished run.
"""

from __future__ import annotations

from typing import Any

import pytest

WORKFLOW = "tests/workflow/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return WORKFLOW if nodeid.startswith(WORKFLOW) else super()._split_scope(nodeid)

    return Scheduling(config, log)
