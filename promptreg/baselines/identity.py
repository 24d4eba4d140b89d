"""The pre-alignment alone: the row that every method has to beat."""

from __future__ import annotations

from pathlib import Path

from promptreg.config import Baselines
from promptreg.geometry import affine_to_ddf
from promptreg.types import Ddf, Pair


class Identity:
    """Do nothing beyond the pre-alignment."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the pre-alignment as the canonical field on the fixed grid."""
        del settings, workdir
        return affine_to_ddf(pair.prealignment, pair.fixed.grid)
