"""The rule graph of a run, in Snakemake's own words."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from promptreg.atomic import replacing


def write_rulegraph(snakefile: str | Path, config: str, output: str | Path) -> None:
    """Write the dot text of the rule graph of `snakefile` under a configuration given as JSON.

    Raises:
        RuntimeError: Snakemake cannot plan it; what it says itself goes to the standard error.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(config)
        file.flush()
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--configfile", file.name, "--rulegraph", "--cores", "1", "--forceall"]
        found = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    _, graph, rest = found.stdout.partition("digraph")
    if found.returncode or not graph:
        msg = f"{snakefile}: Snakemake drew no rule graph (exit status {found.returncode}); see its message"
        raise RuntimeError(msg)
    with replacing(output) as path:
        path.write_text(graph + rest)
