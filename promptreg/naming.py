"""Names of folders for settings."""

from __future__ import annotations

import json
from typing import Any


class Labels:
    """Readable, distinct names for distinct settings: equal settings share the first name given."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def label(self, wish: str, settings: Any) -> str:
        """Return the name of `settings`: `wish`, or `wish` with a number where other settings have it."""
        key = json.dumps(settings, sort_keys=True)
        if key not in self._names:
            taken = set(self._names.values())
            options = [wish, *(f"{wish}_{number}" for number in range(2, 2 + len(taken) + 1))]
            self._names[key] = next(one for one in options if one not in taken)
        return self._names[key]
