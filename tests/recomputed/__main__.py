"""`python -m recomputed RESULTS [SEED]`."""

from __future__ import annotations

import sys
from pathlib import Path

from recomputed import check

print(check(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0), "numbers agree")  # noqa: T201
