"""What can be plugged in, by kind and name; imports no torch."""

from __future__ import annotations

import difflib

from promptreg.catalogue.baselines import BASELINES
from promptreg.catalogue.datasets import DATASETS
from promptreg.catalogue.models import MODELS
from promptreg.entry import Entry

__all__ = ["BASELINES", "DATASETS", "MODELS", "TABLES", "Entry", "find"]

TABLES = {"model": MODELS, "method": BASELINES, "dataset": DATASETS}


def find(kind: str, name: str) -> Entry:
    """Return the entry of a kind ("model", "method", "dataset"); ValueError with close names if absent."""
    table = TABLES[kind]
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    msg = f"unknown {kind} '{name}': {hint}known {kind}s are {', '.join(table)} (promptreg list {kind}s)"
    raise ValueError(msg)
