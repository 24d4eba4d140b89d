"""Python environments of tools whose requirements clash with this package's.

Each has a lock, `envs/<name>.lock`; its folder lies beside the weights, named by the lock's hash, so that a
changed lock is a new environment. PROMPTREG_PYTHON_<NAME> names an interpreter of one's own instead (of a
conda environment, say). Nothing is installed unless `create` is called.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptreg.baselines.base import BaselineUnavailable
from promptreg.checkpoints import cache_dir

LOCKS_VARIABLE = "PROMPTREG_ENVS"
_MARK = "complete"


def lock_file(name: str) -> Path:
    """Return where the lock of an environment lies; FileNotFoundError with the places looked at."""
    chosen = os.environ.get(LOCKS_VARIABLE)
    roots = [Path(chosen)] if chosen else [Path(__file__).resolve().parents[2] / "envs", Path.cwd() / "envs"]
    for root in roots:
        if (root / f"{name}.lock").is_file():
            return root / f"{name}.lock"
    looked = " and ".join(str(root) for root in roots)
    raise FileNotFoundError(f"no {name}.lock in {looked}; set {LOCKS_VARIABLE} to the folder of the locks")


def folder(name: str) -> Path:
    """Return the folder of an environment, there or not."""
    digest = hashlib.sha256(lock_file(name).read_bytes() + sys.version.encode()).hexdigest()
    return cache_dir() / "environments" / f"{name}-{digest[:12]}"


def interpreter(name: str) -> Path:
    """Return the Python of an environment; BaselineUnavailable, with what to do, if there is none."""
    variable = f"PROMPTREG_PYTHON_{name.upper()}"
    if chosen := os.environ.get(variable):
        if not os.access(chosen, os.X_OK):
            raise BaselineUnavailable(f"{variable} names {chosen}, which cannot be run; correct or unset it")
        return Path(chosen)
    try:
        place = folder(name)
    except FileNotFoundError as error:
        raise BaselineUnavailable(str(error)) from error
    if not (place / _MARK).is_file():
        raise BaselineUnavailable(
            f"the environment '{name}' is not installed: run `promptreg tools install {name}`, "
            f"or name a Python that has its packages in {variable}"
        )
    return place / "bin" / "python"


def create(name: str) -> Path:
    """Install an environment from its lock, unless it is there; return its folder.

    One process installs, others wait for it. An interrupted installation is begun anew.

    Raises:
        RuntimeError: with the installer's last words.
    """
    place = folder(name)
    with _alone(place):
        if not (place / _MARK).is_file():
            _run([sys.executable, "-m", "venv", "--clear", str(place)])
            pip = [
                str(place / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-compile",
                "--no-deps",
            ]
            _run([*pip, "--require-hashes", "--requirement", str(lock_file(name))])
            (place / _MARK).touch()
    return place


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock file of a folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".waiting").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        words = (result.stdout + result.stderr).strip().splitlines()[-8:]
        raise RuntimeError(f"{' '.join(command[:4])} failed: " + "\n".join(words))
