"""Models of random weights, small enough for tests; each file here offers some in its `MODELS`, by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from promptreg.models.base import PromptableModel


def small_models() -> dict[str, Callable[[], PromptableModel]]:
    """Return every small model's constructor, by name."""
    found: dict[str, Callable[[], PromptableModel]] = {}
    for info in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{info.name}").MODELS
    return found
