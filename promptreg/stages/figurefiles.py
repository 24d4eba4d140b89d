"""Figures as files: one for the screen, one for print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from promptreg.atomic import replacing
from promptreg.figures.style import encode


def write_figure(figure: Figure, place: Path, style: Mapping[str, Any]) -> None:
    """Write a figure to `place`, which has no suffix, in the formats of the section `figures`."""
    for suffix in dict.fromkeys((style["format"], style["vector"])):
        with replacing(place.with_name(f"{place.name}.{suffix}")) as path:
            path.write_bytes(encode(figure, suffix))
