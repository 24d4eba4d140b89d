"""Whether a file is the one that it should be: by a published hash, or by what was seen at its first use.

A file whose hash nobody publishes is trusted on first use: hash and size are recorded in a JSON file beside
it, and it may not change unnoticed. Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from promptreg.atomic import replacing

log = logging.getLogger("promptreg")


class OtherFile(ValueError):
    """A file has not the content that belongs to its name; nothing must be made from it."""


@dataclass(frozen=True)
class Lock:
    """Hash and size of a file when it was first used."""

    sha256: str
    n_bytes: int


def trusted_hash(file: Path, published: str, *, name: str, remedy: str) -> str:
    """Return the sha256 of a file that is there, after comparing it with the published or the recorded one.

    A file is hashed once in a process, again only when its size or time changes.

    Raises:
        OtherFile: it is another file than `name`; says both hashes and what to do (`remedy`).
    """
    stat = file.stat()
    found = _sha256(file, stat.st_size, stat.st_mtime_ns)
    if published:
        if found != published:
            raise OtherFile(
                f"{file} is not the published '{name}': its sha256 is {found}, expected {published}; "
                f"delete it, then {remedy}"
            )
        return found
    lock = read_lock(file)
    if lock is None:
        write_lock(file, Lock(found, stat.st_size))
    elif found != lock.sha256:
        raise OtherFile(
            f"{file} is not the '{name}' that was used first: its sha256 is {found}, recorded is "
            f"{lock.sha256}; put the first file back, or delete {lock_path(file)} to trust this one, and "
            "what was computed with the other is computed anew"
        )
    return found


def lock_path(file: Path) -> Path:
    """Return where the lock of a file lies."""
    return file.with_name(f"{file.name}.lock.json")


def read_lock(file: Path) -> Lock | None:
    """Return what was first seen of a file, None if nothing yet; ValueError if the lock is damaged."""
    place = lock_path(file)
    if not place.is_file():
        return None
    try:
        return Lock(**json.loads(place.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{place} is no lock of a file ({error}); delete it if {file.name} is trusted, and it is "
            "made anew"
        ) from None


def write_lock(file: Path, lock: Lock) -> None:
    """Record what is seen of a file; where its folder cannot be written that is logged, not an error."""
    try:
        with replacing(lock_path(file)) as part:
            part.write_text(json.dumps(asdict(lock), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning(
            "the hash of %s cannot be recorded beside it, so a later change goes unseen: %s", file, error
        )
    else:
        log.info(
            "no hash of %s is published: trusted on first use, sha256 %s recorded in %s",
            file.name,
            lock.sha256,
            lock_path(file),
        )


@functools.lru_cache
def _sha256(file: Path, n_bytes: int, modified_ns: int) -> str:
    """Hash a file; the size and time are there to tell versions of it apart."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
