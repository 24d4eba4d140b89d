"""The contract of a registration method beside PromptReg; a method is one file and one registry row."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from promptreg.config import Baselines
from promptreg.types import Ddf, Pair


class BaselineUnavailable(RuntimeError):
    """The method cannot run here (a tool or a weight is absent); the message says why and what to do."""


class Baseline(Protocol):
    """A registration method."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Register one pair from its pre-alignment on, and return the canonical field on the fixed grid.

        `workdir` is an empty scratch folder. Raises BaselineUnavailable when the method cannot run on
        this machine, and RuntimeError with the tool's last words when it fails on this pair.
        """
        ...
