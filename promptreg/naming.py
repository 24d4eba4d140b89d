"""Which names and texts can be used, as parts of paths and in logs; and names of folders for settings."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
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


def name_problem(key: str, name: str) -> str:
    """Say why a text cannot be the name of a folder or file, "" if it can."""
    if is_name(name):
        return ""
    return f"{key}: {name!r} becomes the name of a folder or a file, and may hold only {RULE}"


def folder_problem(key: str, folder: str) -> str:
    """Say why a folder cannot hold results, "" if it can: it would be a wildcard or an option."""
    if "{" in folder or "}" in folder:
        return f"{key}: {folder!r} holds a brace, which is a wildcard to Snakemake; choose a folder without"
    if folder.startswith("-"):
        return f"{key}: {folder!r} begins with a dash, as an option does; choose a folder without"
    return ""


def text_problem(where: str, value: Any) -> str:
    """Say which text among nested values holds a control character, "" if none does."""
    found: list[str] = []
    if isinstance(value, str) and (character := control_character(value)):
        found.append(f"{where}: {value!a} holds the control character {character}; leave it out")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            place = f"{where}.{key}" if where else str(key)
            found += [text_problem(f"a key of {where}", str(key)), text_problem(place, inner)]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        found += [text_problem(f"{where}.{number}", inner) for number, inner in enumerate(value)]
    return next(filter(None, found), "")


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
