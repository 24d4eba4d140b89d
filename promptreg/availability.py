"""Which data sets of a configuration are here, which are fetched first, and which are left out, and why.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptreg.config import Config, Dataset
from promptreg.data_folders import data_root, is_present, obstacle
from promptreg.registry import DATASETS
from promptreg.settings import ConfigError
from promptreg.source_table import Source, sources


@dataclass(frozen=True)
class Availability:
    """The data sets that take part, with their paths; sources to fetch; and who is left out, why."""

    datasets: tuple[Dataset, ...]
    to_fetch: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def availability(config: Config) -> Availability:
    """Look for the data of every data set of a configuration.

    Raises:
        ConfigError: data are absent that cannot be downloaded, and `absent_data` is not "leave_out", or no
            data set is left; says of each what to do.
    """
    here: list[Dataset] = []
    to_fetch: dict[str, None] = {}
    left_out: list[tuple[str, str]] = []
    for spec in config.datasets:
        placed, todo = located(spec, config)
        if todo:
            left_out.append((spec.name, todo))
            continue
        here.append(placed)
        if placed.path != spec.path and not is_present(Path(str(placed.path))):
            to_fetch[Path(str(placed.path)).name] = None
    if left_out and (config.absent_data == "stop" or not here):
        raise ConfigError(_refusal(left_out, some_are_here=bool(here)))
    return Availability(tuple(here), tuple(to_fetch), tuple(left_out))


def root_of(config: Config) -> Path:
    """Return the folder of published data sets that a configuration names, or the one of this machine."""
    return Path(config.data_dir).expanduser() if config.data_dir else data_root()


def source_of(spec: Dataset) -> Source | None:
    """Return the published data set that is read, None for data of anybody's own.

    Raises:
        ConfigError: a source that is not known, or of another reader.
    """
    known = sources()
    if spec.source is None:
        return known.get(spec.reader)
    if spec.source not in known:
        msg = f"data set '{spec.name}': unknown source '{spec.source}'; known are {', '.join(known)}"
        raise ConfigError(msg)
    if known[spec.source].reader != spec.reader:
        reader = known[spec.source].reader
        msg = f"data set '{spec.name}': source '{spec.source}' is read by '{reader}', not by '{spec.reader}'"
        raise ConfigError(msg)
    return known[spec.source]


def data_licences(config: Config, stated: Mapping[tuple[str, str], Iterable[str]]) -> dict[str, str]:
    """Say under which licence the data of every data set may be used, and whom to cite.

    `stated` names the public data sets that pairs of a data set and group come from, for data of anybody's
    own.
    """
    found = {}
    for spec in config.datasets:
        names = {name for (dataset, _), several in stated.items() if dataset == spec.name for name in several}
        source = source_of(spec)
        terms = [_terms(source)] if source else [_terms_of(name) for name in sorted(names)]
        own = "your own; not stated" if spec.reader == "manifest" else DATASETS[spec.reader].licence
        found[spec.name] = ". ".join(terms) or own
    return found


def _terms(source: Source) -> str:
    return f"{source.licence}; cite {source.citation}"


def _terms_of(name: str) -> str:
    """Terms of a public data set that a manifest names, such as "PI-CAI"."""
    source = sources().get("".join(filter(str.isalnum, name.casefold())))
    return f"{name}: {_terms(source) if source else 'not known here'}"


def located(spec: Dataset, config: Config) -> tuple[Dataset, str]:
    """Return a data set with the path of its data, and what a user must do first, "" if nothing."""
    source, root = source_of(spec), root_of(config)
    if source is None:
        return spec, ""
    if spec.path is not None:
        gone = f"{spec.path}: no such folder; correct `path`, or leave it out to read {root / source.name}"
        return spec, "" if Path(spec.path).exists() else gone
    folder = root / source.name
    todo = "" if is_present(folder) else obstacle(source, root, config.accept_licences)
    return spec.model_copy(update={"path": str(folder)}), todo


def _refusal(left_out: list[tuple[str, str]], *, some_are_here: bool) -> str:
    lines = [f"the data of {len(left_out)} data sets are absent:"]
    lines += [f"- data set '{name}': {todo}" for name, todo in left_out]
    if some_are_here:
        lines.append("or set `absent_data: leave_out` to run the others; the report names what was left out")
    return "\n".join(lines)
