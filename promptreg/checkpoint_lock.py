"""What was first seen of a weight file whose hash nobody publishes, kept in a JSON file beside it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from promptreg.atomic import replacing

log = logging.getLogger("promptreg")


@dataclass(frozen=True)
class Lock:
    """Hash and size of a file when it was first used."""

    sha256: str
    n_bytes: int


def lock_path(file: Path) -> Path:
    """Return where the lock of a weight file lies."""
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
            f"{place} is no lock of a weight file ({error}); delete it if {file.name} is trusted, and it is "
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
