"""Generate configuration, schema and the pages on models, methods and data; tell when they have drifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from promptreg.atomic import replacing
from promptreg.baselines_page import baselines_page
from promptreg.checkpoint_table import table
from promptreg.config import Config
from promptreg.datasets_page import datasets_page
from promptreg.models_page import models_page
from promptreg.registry import BASELINES as METHODS
from promptreg.registry import DATASETS as READERS
from promptreg.registry import MODELS as REGISTERED
from promptreg.source_table import sources

CONFIG = "config/config.yaml"
SCHEMA = "workflow/schemas/config.schema.json"
MODELS = "docs/models.md"
BASELINES = "docs/baselines.md"
DATASETS = "docs/datasets.md"

_HEADER = """\
# yaml-language-server: $schema=../workflow/schemas/config.schema.json
# All keys with their defaults, generated from promptreg/config/ by `promptreg config`.
# A configuration of your own needs only the keys that differ; pass it with --configfile.
"""


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path from the root of the project."""
    schema = json.dumps(Config.model_json_schema(), indent=2) + "\n"
    body = "\n".join(_section(Config(), 0))
    return {
        CONFIG: f"{_HEADER}\n{body}\n",
        SCHEMA: schema,
        MODELS: models_page(REGISTERED, table()),
        BASELINES: baselines_page(METHODS),
        DATASETS: datasets_page(READERS, sources()),
    }


def write(root: Path) -> None:
    """Write all generated files under `root`."""
    for name, text in generated().items():
        with replacing(root / name) as path:
            path.write_text(text)


def drift(root: Path) -> list[str]:
    """Return the generated files under `root` that differ from what the models say."""
    files = generated()
    return [name for name in files if not (root / name).is_file() or (root / name).read_text() != files[name]]


def _section(section: BaseModel, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        text = info.description or (type(value).__doc__ or "").partition("\n")[0]
        if text:
            yield f"{indent}# {text}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _section(value, depth + 1)
        else:
            yield from _entry(name, _plain(value), indent)


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    nested = isinstance(value, dict | list) and bool(value)
    text = yaml.safe_dump(
        {name: value},
        sort_keys=False,
        default_flow_style=None if nested else False,
        width=100,
        allow_unicode=True,
    )
    for line in text.rstrip().splitlines():
        yield indent + line


def _plain(value: Any) -> Any:
    """Return a value as plain YAML types; of nested models only what differs from their defaults."""
    if isinstance(value, BaseModel):
        return {key: _plain(one) for key, one in value if key in value.model_fields_set} or {}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
