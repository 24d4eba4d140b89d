"""PromptReg: register images by searching corresponding prompts."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["RegisteredPair", "register", "save"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: the workflow imports this package without torch."""
    if name in __all__:
        from promptreg import onepair

        return getattr(onepair, name)
    msg = f"module 'promptreg' has no attribute '{name}'"
    raise AttributeError(msg)
