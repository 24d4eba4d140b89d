"""Names of folders and groups: which may be one, and names of folders for settings."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
LONGEST = 128
"""Characters of a name; file systems hold 255 bytes, and names get suffixes."""
RULE = f"letters, digits, '.', '_' and '-', with neither '.' nor '-' in front, and {LONGEST} of them at most"
_CONTROL = ("Cc", "Cs", "Zl", "Zp")


def is_name(text: str) -> bool:
    """Whether a text can name a folder or a group of a store everywhere; see `RULE`."""
    return NAME.fullmatch(text) is not None and len(text) <= LONGEST


def control_character(text: str) -> str | None:
    """The first character that ends a line, steers a terminal or cannot be written, as Python shows it."""
    found = next((one for one in text if unicodedata.category(one) in _CONTROL), None)
    return None if found is None else ascii(found)


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
