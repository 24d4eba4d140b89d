"""Weight files: where they lie, how they get there, whether they are intact and may be used.

What is known of them is in `promptreg.checkpoint_table`; files lie in the folder that PROMPTREG_CACHE
names (`~/.cache/promptreg` if unset). Nothing is downloaded unless `fetch` is called. A file whose hash
nobody publishes is trusted on first use: its hash is recorded beside it and may not change unnoticed.
Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from promptreg.checkpoint_table import CACHE_VARIABLE, TABLE_VARIABLE, Checkpoint, cache_dir, find, table
from promptreg.download import DownloadFailed, download
from promptreg.licences import accepted, record, refusal
from promptreg.state_dicts import load_strictly, read_state_dict
from promptreg.trust import read_lock, trusted_hash

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CACHE_VARIABLE",
    "TABLE_VARIABLE",
    "Checkpoint",
    "CheckpointUnavailable",
    "cache_dir",
    "defect",
    "fetch",
    "find",
    "load_state_dict",
    "load_strictly",
    "obstacle",
    "path",
    "shipped_file",
    "shipped_hash",
    "signature",
    "status",
    "table",
    "verify",
]


class CheckpointUnavailable(RuntimeError):
    """A weight file is absent, incomplete or not to be used yet; the message says what to do."""


def path(name: str) -> Path:
    """Return where the file of a checkpoint lies once it is there."""
    return cache_dir() / find(name).file


def status(name: str, accept: Collection[str] = ()) -> tuple[bool, str]:
    """Say whether a checkpoint can be used, and why not: absent, incomplete, or its licence not accepted.

    Looks at size and first bytes only. `accept` names checkpoints whose licences the user accepts beside
    what `promptreg.licences.accepted` knows.
    """
    row, file = find(name), path(name)
    if problem := defect(row, file):
        return False, f"{problem}; {_remedy(row)}"
    if not accepted(row, accept):
        return False, f"{file} is present, but {refusal(row)}"
    return True, f"{file} is present"


def obstacle(name: str, accept: Collection[str] = ()) -> str:
    """Return in a few words what keeps a checkpoint from being used, "" if nothing; see `status`."""
    row = find(name)
    if defect(row, path(name)):
        return f"no weights: {_command(row)}"
    return "" if accepted(row, accept) else f"licence {row.licence} not accepted: {_command(row)}"


def signature(name: str) -> str:
    """Return what results depend on: the file's published or recorded hash, "absent" without the file."""
    row, file = find(name), path(name)
    if defect(row, file):
        return "absent"
    lock = read_lock(file)
    return row.sha256 or (lock.sha256 if lock else _verified_hash(row))


def shipped_file(name: str) -> Path:
    """Return where weights of this package lie; a JSON file beside them records their hash."""
    return Path(__file__).parent / "models" / "weights" / f"{name}.safetensors"


def shipped_hash(name: str) -> str | None:
    """Return the recorded sha256 of weights of this package, or None if they are absent."""
    file = shipped_file(name)
    if not file.is_file():
        return None
    return str(json.loads(file.with_suffix(".json").read_text())["sha256"])


def fetch(name: str, *, accept: bool = False) -> Path:
    """Download a checkpoint unless it is there, check it, and return its path; nothing half-written is left.

    `accept` says that the user agrees to the licence of the weights, which is remembered.

    Raises:
        CheckpointUnavailable: the licence is not accepted, the folder of weights cannot be made, the download
            fails, or it gives no weights.
        ValueError: a wrong hash.
    """
    row = find(name)
    _make_folder()
    if accept and row.accept:
        record(row)
    if not accepted(row):
        raise CheckpointUnavailable(f"checkpoint '{name}': {refusal(row)}")
    if defect(row, path(name)):
        _download(row)
    return verify(name)


def verify(name: str) -> Path:
    """Check the hash of a checkpoint's file and return its path; its licence is not asked for.

    An unpublished hash is recorded on first use. A file is hashed once in a process, again only when its
    size or time changes.

    Raises:
        CheckpointUnavailable: the file is absent or incomplete.
        ValueError: the file has another hash than the published or the recorded one.
    """
    row = find(name)
    if problem := defect(row, path(name)):
        raise CheckpointUnavailable(f"checkpoint '{name}': {problem}; {_remedy(row)}")
    _verified_hash(row)
    return path(name)


def load_state_dict(name: str) -> dict[str, Tensor]:
    """Verify a checkpoint and read its tensors onto the CPU, by name; runs no code from the file.

    Raises:
        CheckpointUnavailable: the file is absent or incomplete, or its licence is not accepted.
        ValueError: a wrong hash, no such key, or no file of tensors; names the file.
    """
    usable, reason = status(name)
    if not usable:
        raise CheckpointUnavailable(f"checkpoint '{name}': {reason}")
    return read_state_dict(verify(name), find(name).key)


def defect(row: Checkpoint, file: Path) -> str:
    """Return what is wrong with the file of a checkpoint by its size and first bytes, or an empty text."""
    if not file.is_file():
        return f"{file} is absent"
    n_bytes = file.stat().st_size
    if row.n_bytes is not None and n_bytes != row.n_bytes:
        return f"{file} has {n_bytes} bytes, expected {row.n_bytes}; delete it"
    with file.open("rb") as stream:
        first = stream.read(9)
    begins = first[8:] == b"{" if row.file.endswith(".safetensors") else first.startswith((b"PK", b"\x80"))
    return "" if begins else f"{file} is no file of weights, it begins with {first!r}; delete it"


def _verified_hash(row: Checkpoint) -> str:
    """The hash of a file that is there; ValueError if another one is published or recorded."""
    return trusted_hash(cache_dir() / row.file, row.sha256, name=row.name, remedy=_remedy(row))


def _make_folder() -> None:
    """Make the folder of weight files, if it is not there."""
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointUnavailable(
            f"{cache_dir()} cannot be made the folder of weights: {error.strerror}; set {CACHE_VARIABLE} to "
            "one that can be written"
        ) from error


def _download(row: Checkpoint) -> None:
    """Bring a file into the cache, whole and of the right size or not at all."""
    try:
        download(row.url, cache_dir() / row.file, lambda part: defect(row, part), "the weights")
    except DownloadFailed as error:
        raise CheckpointUnavailable(f"{error}; {_remedy(row)}") from error


def _command(row: Checkpoint) -> str:
    return f"{row.fetch_command}{' --accept-licence' if row.accept else ''}"


def _remedy(row: Checkpoint) -> str:
    """Say how a user gets the file."""
    return (
        f"run `{_command(row)}`, or download {row.url} elsewhere and put it in {cache_dir()} as {row.file} "
        f"({CACHE_VARIABLE} names another folder)"
    )
