"""What a run set out to make, written among its results when it starts, so that others can say how far it is.

Imports no torch.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptreg.atomic import replacing
from promptreg.jobs import Job, all_jobs
from promptreg.layout import Layout

FILE = "run.json"


@dataclass(frozen=True)
class RunRecord:
    """A run: the folder that it runs in, where and when it was started, and all jobs of its benchmark."""

    folder: str
    host: str
    pid: int
    started: str
    figure_format: str
    jobs: tuple[Job, ...]


def write_record(layout: Layout, config: Mapping[str, Any]) -> None:
    """Write the record of this process's run into its folder of results.

    While data sets must be fetched first, the configuration stands there in the place of the jobs.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    shown = layout.config.figures.format
    record = asdict(RunRecord(str(Path.cwd()), socket.gethostname(), os.getpid(), now, shown, ()))
    if layout.to_fetch:
        record["jobs"] = {"config": {**config, "data_dir": layout.data_root}}
    else:
        record["jobs"] = [[one.rule, one.name, one.items] for one in all_jobs(layout)]
    with replacing(Path(layout.root) / FILE) as temporary:
        temporary.write_text(json.dumps(record))


def read_record(root: str | Path) -> RunRecord:
    """Read the record of the last run; ValueError where the folder has none."""
    file = Path(root) / FILE
    try:
        content = json.loads(file.read_text())
        listed = content.pop("jobs")
        jobs = _planned(content["folder"], listed["config"]) if "config" in listed else listed
        return RunRecord(**content, jobs=tuple(Job(*one) for one in jobs))
    except FileNotFoundError:
        msg = (
            f"{file}: no such file; a run of the workflow writes it at its start, so name a folder of results"
        )
        raise ValueError(msg) from None
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{file}: no record of a run ({error}); the next run writes it anew"
        raise ValueError(msg) from None


def _planned(folder: str, config: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """The jobs of a configuration by now, planned where the run was started."""
    with chdir(folder):
        return [(one.rule, one.name, one.items) for one in all_jobs(Layout(config))]
