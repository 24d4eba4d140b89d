"""Fixtures of several files of unit tests."""

import pytest
from small_plans import SMALL, manifest

from promptreg.plan import Plan


@pytest.fixture
def table(tmp_path):
    return manifest(tmp_path, 5)


@pytest.fixture
def planned(table):
    """A function that plans the small benchmark with changes to its configuration."""
    return lambda **changes: Plan({**SMALL, "manifest": table, **changes})
