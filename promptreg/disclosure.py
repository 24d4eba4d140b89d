"""What must be said of a method beside its numbers: its supervision, and whether it trained on the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptreg.checkpoint_table import find
from promptreg.config import Config
from promptreg.entry import LABEL_SUPERVISED, Entry
from promptreg.registry import BASELINES, MODELS
from promptreg.settings import variant

Group = tuple[str, str]
"""Names of a data set and of a group of its pairs."""


def supervision_of(config: Config) -> dict[str, str]:
    """Say what every method of a configuration was trained or told with."""
    found = {}
    for name in config.methods:
        seeded = name in config.variants and variant(config, name).search.prompts.where != "body"
        found[name] = _supervision(config, name) + (", label-seeded prompts" if seeded else "")
    return found


def seen_in_training(config: Config, sources: Mapping[Group, Iterable[str]]) -> list[tuple[str, str, str]]:
    """List (method, dataset, group) where a method has seen one of the group's sources in training.

    `sources` names where the pairs of a group come from, as far as the data sets say.
    """
    return [
        (method, *group)
        for method in config.methods
        for group, names in sources.items()
        if any(has_seen(_entry(config, method), name) for name in names)
    ]


def licences_of(config: Config) -> dict[str, str]:
    """Say under which licence every method of a configuration, or the model it runs, may be used."""
    return {name: _licence(_entry(config, name)) for name in config.methods}


def has_seen(entry: Entry, source: str) -> bool:
    """Say whether a source is among those that a plug-in was trained on; "flare 22" is "FLARE22"."""
    return _plain(source) in {_plain(name) for name in entry.seen} - {""}


def _supervision(config: Config, method: str) -> str:
    """What the registry says, and on how much of the data itself a model is trained."""
    entry = _entry(config, method)
    stated = entry.supervision
    if not entry.learned and (method in BASELINES or stated != LABEL_SUPERVISED):
        return stated
    return f"{stated}, trained on the target data ({100 * (1 - config.train.test_share):.0f} %)"


def _entry(config: Config, method: str) -> Entry:
    if method in BASELINES:
        promptable = BASELINES[method].promptable
        return MODELS[config.baselines.features_model] if promptable else BASELINES[method]
    return MODELS[variant(config, method).embed.model]


def _licence(entry: Entry) -> str:
    weights = f"; weights {entry.checkpoint}: {find(entry.checkpoint).licence}" if entry.checkpoint else ""
    return f"{entry.name}: {entry.licence}{weights}"


def _plain(source: str) -> str:
    return "".join(one for one in source.casefold() if one.isalnum())
