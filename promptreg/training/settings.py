"""The settings of a run, from a preset or a file."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from promptreg.training.config import PRESETS, TrainPocket


def settings(preset: str, file: Path | None = None, minutes: float | None = None) -> TrainPocket:
    """Return a preset, or what a YAML file says instead; `minutes` replaces either's budget."""
    chosen = _from_preset(preset) if file is None else _from_file(file)
    return chosen if minutes is None else _changed(chosen, steps=None, minutes=minutes)


def _from_preset(name: str) -> TrainPocket:
    if name not in PRESETS:
        raise ValueError(f"unknown preset '{name}'; presets are {', '.join(PRESETS)}")
    return PRESETS[name]


def _from_file(file: Path) -> TrainPocket:
    try:
        return TrainPocket.model_validate(yaml.safe_load(file.read_text()) or {})
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: {error}") from None


def _changed(config: TrainPocket, **changes: object) -> TrainPocket:
    return TrainPocket.model_validate(config.model_dump() | changes)
