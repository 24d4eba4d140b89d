"""Consent to licences of weights and data that ask for it: by command, environment or configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from promptreg.atomic import replacing
from promptreg.checkpoint_table import cache_dir

ACCEPT_VARIABLE = "PROMPTREG_ACCEPT_LICENCES"
ALL = "all"

_accepted_here: ContextVar[frozenset[str]] = ContextVar("accepted_licences", default=frozenset())


class Licensed(Protocol):
    """Weights or data under a licence."""

    @property
    def name(self) -> str:
        """What consent is given by."""

    @property
    def licence(self) -> str:
        """The licence that is agreed to."""

    @property
    def accept(self) -> str:
        """Why it must be agreed to, such as "noncommercial"; "" where it need not be."""

    @property
    def what(self) -> str:
        """What it is, in sentences: "these weights"."""

    @property
    def fetch_command(self) -> str:
        """The command that gets it."""


@contextmanager
def accepting(names: Collection[str]) -> Iterator[None]:
    """Take the licences of these weights and data ("all": of any) as accepted inside a `with` block."""
    token = _accepted_here.set(_accepted_here.get() | set(names))
    try:
        yield
    finally:
        _accepted_here.reset(token)


def accepted(row: Licensed, names: Collection[str] = ()) -> bool:
    """Say whether the user may use something: it asks for nothing, or the user agreed to this licence.

    Consent is given by `names` (of checkpoints and data sets, or "all"), an enclosing `accepting`, the names
    in $PROMPTREG_ACCEPT_LICENCES, separated by commas, or by `record`, which counts for that licence alone.
    """
    given = _accepted_here.get().union(names, _by_variable())
    return not row.accept or bool({ALL, row.name} & given) or _recorded().get(row.name) == row.licence


def with_variable(names: Collection[str]) -> str:
    """Return the value of $PROMPTREG_ACCEPT_LICENCES that adds names to it, for processes to be started."""
    return ",".join(sorted({*names, *_by_variable()}))


def record(row: Licensed) -> None:
    """Remember in the cache that the user agreed to the licence."""
    with replacing(_record_path()) as part:
        part.write_text(json.dumps(_recorded() | {row.name: row.licence}, indent=2) + "\n", encoding="utf-8")


def refusal(row: Licensed) -> str:
    """Say which licence is not accepted and how to accept it."""
    return (
        f"the licence of {row.what}, {row.licence} ({row.accept}), is not accepted: read it, then run "
        f"`{row.fetch_command} --accept-licence`, or set {ACCEPT_VARIABLE}={row.name}, or "
        f"`accept_licences: [{row.name}]` in the configuration"
    )


def _by_variable() -> set[str]:
    names = {name.strip() for name in os.environ.get(ACCEPT_VARIABLE, "").split(",")}
    return names - {""}


def _record_path() -> Path:
    return cache_dir() / "accepted_licences.json"


def _recorded() -> dict[str, str]:
    """Licences that were agreed to, by the name of what they are of."""
    place = _record_path()
    if not place.is_file():
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{place} is damaged ({error}); delete it and accept the licences again") from None
    return found if isinstance(found, dict) else {}
