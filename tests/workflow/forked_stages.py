"""The jobs of a run one by one, each in a forked process: quick to start, and killed when a test wants it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny_benchmark import Benchmark

from promptreg import cli, store

WRITES = ("--output", "--metrics", "--timings")


@dataclass(frozen=True)
class StageCommand:
    """What Snakemake would run for a job: the arguments of `promptreg`."""

    arguments: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The stage, or the command where it is none."""
        return self.arguments[1] if self.arguments[0] == "stage" else self.arguments[0]

    @property
    def outputs(self) -> tuple[Path, ...]:
        """What it writes."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return tuple(Path(value) for name, value in pairs if name in WRITES)

    @property
    def stores(self) -> tuple[Path, ...]:
        """The stores that it reads."""
        return tuple(
            Path(one) for one in self.arguments if one.endswith(".zarr") and Path(one) not in self.outputs
        )


def commands(benchmark: Benchmark, *targets: str, **changes: Any) -> list[StageCommand]:
    """All jobs of a benchmark, or those behind some targets, in an order in which they can run."""
    said = benchmark.complete("--dry-run", "--forceall", "--printshellcmds", *targets, **changes)
    lines = re.findall(r"^Shell command: promptreg (.*)$", said, flags=re.MULTILINE)
    return [StageCommand(tuple(shlex.split(line.rpartition(" 2> ")[0]))) for line in lines]


def start(command: StageCommand, log: Path, before: Callable[[], object] = lambda: None) -> int:
    """Run a command in a forked process of a group of its own, and return its id; it calls `before` first."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        before()
        sys.argv = ["promptreg", *command.arguments]
        cli.main()
    except SystemExit as end:
        os.write(2, f"{end.code or ''}\n".encode())
        os._exit(0 if end.code in (0, None) else 1)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(1)


def run(command: StageCommand, log: Path, before: Callable[[], object] = lambda: None) -> str:
    """Run a command to its end; what it said if it failed, or an empty text."""
    _, status = os.waitpid(start(command, log, before), 0)
    return log.read_text() if status else ""


def kill_after(command: StageCommand, seconds: float, log: Path) -> bool:
    """Start a command, kill it and its children after so many seconds; whether it was killed at work."""
    process = start(command, log)
    time.sleep(seconds)
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def remove(path: Path) -> None:
    """Remove what is there, as Snakemake removes the output of a job before it runs again."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_whole(path: Path) -> None:
    """Fail unless a store or a file is absent or complete."""
    if path.suffix == ".zarr" and path.exists():
        store.verify(path)
    elif path.is_file():
        assert path.stat().st_size > 0, path
