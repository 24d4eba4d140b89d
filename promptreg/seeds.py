"""Seeds of every random draw. There is no global generator: a draw names what it is for."""

from __future__ import annotations

import hashlib
import json


def derive_seed(*parts: str | int) -> int:
    """Return the 63-bit seed of the draw that `parts` name, the same on every machine and in every run.

    Example: `derive_seed(config.seed, dataset, image, "view", j)`.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
