"""Let a workflow that was killed start again: clear the locks that no living run holds.

Snakemake's lock files outlive a killed process. Every run therefore keeps a kernel lock, which the
kernel drops with the process, on a file beside them: whoever gets it exclusively is alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

RESULTS_LOCK = "run.lock"

_held: list[int] = []


def clear_stale_locks(folder: str | Path = ".snakemake") -> bool:
    """Remove the lock files of dead runs in `folder`; return whether this process is the only run alive.

    A shared lock is then held until the process ends. Where another run is alive nothing is removed,
    and Snakemake's own lock decides.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "promptreg.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _held.append(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return True


def hold_results(root: str | Path) -> None:
    """Take the kernel lock of a folder of results until this process ends: one run at a time writes there.

    Snakemake's own lock is of the folder in which it is started, and does not see a run started elsewhere.

    Raises:
        RuntimeError: another run holds it.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / RESULTS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        msg = f"another run writes into {root.absolute()}: wait for its end, or choose another results_dir"
        raise RuntimeError(msg) from None
    _held.append(descriptor)


def is_running(root: str | Path) -> bool:
    """Whether a run holds the lock of a folder of results."""
    try:
        descriptor = os.open(Path(root) / RESULTS_LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
