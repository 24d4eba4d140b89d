"""Weight files: where they lie, how they get there, whether they are intact.

What is known of them is in `promptreg.checkpoint_table`; files lie in the folder that PROMPTREG_CACHE
names (`~/.cache/promptreg` if unset). Nothing is downloaded unless `fetch` is called. Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from promptreg.checkpoint_table import TABLE_VARIABLE, Checkpoint, find, table
from promptreg.state_dicts import load_strictly, read_state_dict

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CACHE_VARIABLE",
    "TABLE_VARIABLE",
    "Checkpoint",
    "CheckpointUnavailable",
    "cache_dir",
    "fetch",
    "find",
    "load_state_dict",
    "load_strictly",
    "path",
    "shipped_file",
    "shipped_hash",
    "status",
    "table",
    "verify",
]

CACHE_VARIABLE = "PROMPTREG_CACHE"


class CheckpointUnavailable(RuntimeError):
    """A weight file is absent or incomplete; the message says how to get it."""


def cache_dir() -> Path:
    """Return the folder of weight files."""
    return Path(os.environ.get(CACHE_VARIABLE, "~/.cache/promptreg")).expanduser()


def path(name: str) -> Path:
    """Return where the file of a checkpoint lies once it is there."""
    return cache_dir() / find(name).file


def status(name: str) -> tuple[bool, str]:
    """Say whether a checkpoint is there and complete, and why not; looks at its size only."""
    expected, file = find(name), path(name)
    if not file.is_file():
        return False, f"{file} is absent; {_remedy(name)}"
    found = file.stat().st_size
    if expected.n_bytes is not None and found != expected.n_bytes:
        return (
            False,
            f"{file} has {found} bytes, expected {expected.n_bytes}; delete it, then {_remedy(name)}",
        )
    return True, f"{file} is present"


def shipped_file(name: str) -> Path:
    """Return where weights of this package lie; a JSON file beside them records their hash."""
    return Path(__file__).parent / "models" / "weights" / f"{name}.safetensors"


def shipped_hash(name: str) -> str | None:
    """Return the recorded sha256 of weights of this package, or None if they are absent."""
    file = shipped_file(name)
    if not file.is_file():
        return None
    return str(json.loads(file.with_suffix(".json").read_text())["sha256"])


def fetch(name: str) -> Path:
    """Download a checkpoint unless it is there, check its hash, and return its path.

    Raises CheckpointUnavailable where the download fails and ValueError on a wrong hash.
    """
    import pooch

    row = find(name)
    if status(name)[0]:
        return verify(name)
    try:
        pooch.retrieve(
            row.url,
            known_hash=f"sha256:{row.sha256}" if row.sha256 else None,
            fname=row.file,
            path=cache_dir(),
        )
    except OSError as error:
        raise CheckpointUnavailable(f"cannot download {row.url}: {error}; {_remedy(name)}") from error
    return verify(name)


def verify(name: str) -> Path:
    """Check the hash of a checkpoint's file and return its path.

    A file is hashed once in a process, again only when its size or time changes. Raises
    CheckpointUnavailable if it is absent or incomplete and ValueError on a wrong hash.
    """
    present, reason = status(name)
    if not present:
        raise CheckpointUnavailable(f"checkpoint '{name}': {reason}")
    expected, file = find(name).sha256, path(name)
    stat = file.stat()
    found = _sha256(file, stat.st_size, stat.st_mtime_ns)
    if expected and found != expected:
        raise ValueError(
            f"{file} is not the published '{name}': its sha256 is {found}, expected {expected}; "
            f"delete it, then {_remedy(name)}"
        )
    return file


def load_state_dict(name: str) -> dict[str, Tensor]:
    """Verify a checkpoint and read its tensors onto the CPU, by name; runs no code from the file.

    Raises:
        CheckpointUnavailable: the file is absent or incomplete.
        ValueError: a wrong hash, no such key, or no file of tensors; names the file.
    """
    return read_state_dict(verify(name), find(name).key)


def _remedy(name: str) -> str:
    """Say how a user gets the file."""
    row = find(name)
    return (
        f"run `promptreg fetch {name}`, or download {row.url} elsewhere and put it in {cache_dir()} "
        f"({CACHE_VARIABLE} names another folder)"
    )


@functools.lru_cache
def _sha256(file: Path, n_bytes: int, modified_ns: int) -> str:
    """Hash a file; the size and time are there to tell versions of it apart."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
