"""The rule graph of a run, in Snakemake's own words."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from promptreg.atomic import replacing


def write_rulegraph(snakefile: str | Path, config: str, output: str | Path) -> None:
    """Write the dot text of the rule graph of `snakefile` under a configuration given as JSON."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(config)
        file.flush()
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--configfile", file.name, "--rulegraph", "--cores", "1", "--forceall"]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    with replacing(output) as path:
        path.write_text(found.stdout[found.stdout.index("digraph") :])
