"""From what a user wrote to a checked configuration: errors that teach, short names, variants."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from promptreg.checkpoint_table import table as checkpoint_table
from promptreg.config import Config, Embed, Fit, Marginalize, Overrides, Search
from promptreg.entry import LABEL_SUPERVISED
from promptreg.licences import ALL
from promptreg.naming import folder_problem, name_problem, text_problem
from promptreg.registry import BASELINES, DATASETS, MODELS, find
from promptreg.source_table import sources

TAKEN = (
    *("table1", "statistics", "ranking", "rank_stability", "time", "per_pair", "published", "costs"),
    *("distributions", "ranks", "stability", "hours", "rulegraph"),
    *("robustness", "calibration", "consistency", "efficiency"),
)
"""Names of tables and figures of every run, which ablations cannot have."""
SectionT = TypeVar("SectionT", bound=BaseModel)


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the key, what was found and what to do."""


@dataclass(frozen=True)
class Variant:
    """One PromptReg row: the top-level sections with the variant's changes applied."""

    name: str
    embed: Embed
    search: Search
    marginalize: Marginalize
    fit: Fit


def load(raw: Mapping[str, Any]) -> Config:
    """Check a configuration as read from YAML; raise ConfigError with one line for each mistake.

    A key that is unique among all sections may be given at the top level, as in
    `snakemake --config sigma=0.05`; it is moved to where it belongs.
    """
    try:
        config = Config.model_validate(_expand_short_names(dict(raw)))
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    _check_names(config)
    return config


def load_file(path: str | Path) -> Config:
    """Read and check a YAML configuration file."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        msg = f"configuration {path}: {error}"
        raise ConfigError(msg) from None
    if not isinstance(raw, dict):
        msg = f"configuration {path}: expected keys and values, found {type(raw).__name__}"
        raise ConfigError(msg)
    return load(raw)


def variant(config: Config, name: str) -> Variant:
    """Return a variant of PromptReg with its changes applied; ConfigError names a wrong key."""
    changes = config.variants[name]
    made = Variant(
        name,
        _changed(config.embed, changes.embed, f"variants.{name}.embed"),
        _changed(config.search, changes.search, f"variants.{name}.search"),
        _changed(config.marginalize, changes.marginalize, f"variants.{name}.marginalize"),
        _changed(config.fit, changes.fit, f"variants.{name}.fit"),
    )
    _check_counts(made, changes.marginalize)
    return made


def _check_counts(one: Variant, asked: Mapping[str, Any]) -> None:
    """A variant cannot ask for more prompts or views than it searches, nor for places in turns."""
    if one.search.prompts.strategy == "active" and one.search.prompts.where == "both":
        msg = f"variants.{one.name}.search.prompts: active prompts are of one location; where cannot be both"
        raise ConfigError(msg)
    given = {
        "prompts": ("search.prompts.count", len(one.search.prompts.points) or one.search.prompts.count),
        "views": ("embed.views.count", one.embed.views.count),
    }
    for key, (source, stored) in given.items():
        used = getattr(one.marginalize, key)
        if key in asked and used is not None and used > stored:
            msg = f"variants.{one.name}.marginalize.{key}: {used} asked for, {source} is {stored}; raise it"
            raise ConfigError(msg)


def _changed(section: SectionT, changes: Mapping[str, Any], where: str) -> SectionT:
    try:
        return type(section).model_validate(_merge(section.model_dump(), changes))
    except ValidationError as error:
        raise ConfigError(_explain(error, where, type(section))) from None


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _check_paths_and_texts(config: Config) -> None:
    """Nothing steers a terminal or a shell, escapes a folder, or is a pattern to Snakemake."""
    sets = [one.name for one in config.datasets]
    problems = [
        text_problem("", config.model_dump(mode="json")),
        folder_problem("results_dir", config.results_dir),
        *(name_problem("variants", name) for name in config.variants),
        *(name_problem("datasets", name) for name in sets),
        *(name_problem("ablations", name) for name in config.ablations),
    ]
    if found := "\n".join(filter(None, problems)):
        raise ConfigError(found)


def _check_names(config: Config) -> None:
    _check_paths_and_texts(config)
    clash = sorted(set(config.variants) & set(BASELINES))
    if clash:
        msg = f"variants.{clash[0]}: the name belongs to a registered method; choose another"
        raise ConfigError(msg)
    known = [*BASELINES, *config.variants]
    for method in config.methods:
        if method not in known:
            msg = f"methods: unknown method '{method}'; {_hint(method, known)}known are {', '.join(known)}"
            raise ConfigError(msg)
    for table, names in (
        (MODELS, [variant(config, name).embed.model for name in config.variants]),
        (MODELS, [config.baselines.features_model]),
        (DATASETS, [dataset.reader for dataset in config.datasets]),
    ):
        for name in names:
            _require_known(name, "model" if table is MODELS else "dataset")
    _check_accepted(config.accept_licences)
    _check_ablations(config)
    if MODELS[config.baselines.features_model].supervision == LABEL_SUPERVISED:
        msg = f"baselines.features_model: {config.baselines.features_model} is trained for variants alone"
        raise ConfigError(msg)
    _check_datasets(config)


def _check_datasets(config: Config) -> None:
    names = [dataset.name for dataset in config.datasets]
    for name in names:
        if names.count(name) > 1:
            msg = f"datasets: the name '{name}' is given twice; names must differ"
            raise ConfigError(msg)
    for dataset in config.datasets:
        if dataset.both_ways and dataset.misalign is not None:
            msg = f"datasets: '{dataset.name}' has both_ways and misalign; give each a data set of its own"
            raise ConfigError(msg)
    if "consistency" in config.analyses and not any(one.both_ways for one in config.datasets):
        msg = "analyses: consistency needs a data set with both_ways: true"
        raise ConfigError(msg)


def _check_ablations(config: Config) -> None:
    """Rows must be methods of this run, factors keys of a variant, and the curve one of the factors."""
    for name, one in config.ablations.items():
        where = f"ablations.{name}"
        if name in TAKEN:
            msg = f"{where}: every run makes a table or figure of this name; choose another"
            raise ConfigError(msg)
        for row in one.rows:
            if row not in config.methods:
                hint = _hint(row, config.methods)
                msg = f"{where}.rows: '{row}' is none of `methods`; {hint}add it there"
                raise ConfigError(msg)
        for title, key in one.factors.items():
            if tuple(key.split(".")) not in _VARIED:
                known = [".".join(path) for path in _VARIED]
                msg = f"{where}.factors.{title}: unknown key '{key}'; {_hint(key, known)}see config/README.md"
                raise ConfigError(msg)
        if one.curve and one.curve not in one.factors:
            msg = f"{where}.curve: '{one.curve}' is none of its factors, {', '.join(one.factors) or 'none'}"
            raise ConfigError(msg)


def _check_accepted(names: tuple[str, ...]) -> None:
    known = [ALL, *checkpoint_table(), *sources()] if names else []
    for name in names:
        if name not in known:
            msg = (
                f"accept_licences: unknown weights or data '{name}'; {_hint(name, known)}known are "
                f"{', '.join(known)}"
            )
            raise ConfigError(msg)


def _require_known(name: str, kind: str) -> None:
    try:
        find(kind, name)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _expand_short_names(raw: dict[str, Any]) -> dict[str, Any]:
    places: dict[str, list[tuple[str, ...]]] = {}
    for path in _leaves(Config):
        places.setdefault(path[-1], []).append(path)
    for key in [one for one in raw if one not in Config.model_fields]:
        found = places.get(key, [])
        if len(found) == 1:
            target = raw
            for part in found[0][:-1]:
                target[part] = dict(target.get(part) or {})
                target = target[part]
            target[key] = raw.pop(key)
        elif found:
            options = " or ".join(".".join(path) for path in found)
            msg = f"{key}: ambiguous at the top level; write {options}"
            raise ConfigError(msg)
    return raw


def _leaves(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all knobs inside the sections that a variant can change."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _leaves(annotation, (*prefix, name))
        elif prefix:
            yield (*prefix, name)


def _explain(error: ValidationError, where: str = "", model: type[BaseModel] = Config) -> str:
    lines = []
    for one in _deepest(error.errors()):
        path = ".".join([where, *map(str, one["loc"])] if where else map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            known = _fields_at(model, one["loc"][:-1])
            if model is Config and len(one["loc"]) == 1:
                known |= {path[-1] for path in _leaves(Config)}
            hint = _hint(str(one["loc"][-1]), sorted(known))
            lines.append(f"{path}: unknown key; {hint}see config/README.md")
        elif one["type"] == "missing":
            lines.append(f"{path}: missing; see config/README.md")
        else:
            lines.append(f"{path}: {one['msg']}, found {one['input']!r}")
    return "\n".join(lines)


def _deepest(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out what only follows from a mistake inside ("too few items" where one item is wrong)."""
    places = [one["loc"] for one in errors]
    for one in errors:
        depth = len(one["loc"])
        if not any(len(place) > depth and place[:depth] == one["loc"] for place in places):
            yield one


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        info = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        if info is None:
            return set(Overrides.model_fields)
        current = next(
            (one for one in (info.annotation, *_inside(info.annotation)) if _is_section(one)), None
        )
    return set(current.model_fields) if current is not None else set()


def _inside(annotation: Any) -> Iterator[Any]:
    for one in get_args(annotation):
        yield one
        yield from _inside(one)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}? " if close else ""


_VARIED = [path for path in _leaves(Config) if path[0] in Overrides.model_fields]
"""Keys that a variant can change."""
