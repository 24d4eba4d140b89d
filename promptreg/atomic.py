"""Write a file whole or not at all."""

from __future__ import annotations

import glob
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling that takes the place of `path` if all goes well, and is removed if not.

    What a killed writer of this path left is removed, so a path has one writer at a time. Who may read the
    file is what the umask says, also where its writer made it private.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for orphan in path.parent.glob(f".{'[0-9a-f]' * 8}-{glob.escape(path.name)}"):
        orphan.unlink(missing_ok=True)
    temporary = _sibling(path)
    try:
        yield temporary
        _open_as_usual(temporary, _sibling(path))
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")


def _open_as_usual(file: Path, probe: Path) -> None:
    """Give a private file the mode of a new one, which the empty file `probe` is made to find out.

    Writers that go by way of a private file of their own, as safetensors does, leave it so.
    """
    if stat.S_IMODE(file.stat().st_mode) != PRIVATE:
        return
    try:
        probe.touch(exist_ok=False)
        file.chmod(stat.S_IMODE(probe.stat().st_mode))
    finally:
        probe.unlink(missing_ok=True)
