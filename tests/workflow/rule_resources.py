"""Print as JSON what a job of every rule asks for at its first three attempts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from snakemake.api import SnakemakeApi
from snakemake.settings.types import OutputSettings, Quietness, ResourceSettings

ASKED = ("mem_mb", "runtime", "gpu")
NAMES = {
    "encoder": "blend",
    "search": "promptreg",
    "variant": "promptreg",
    "baseline": "convexadam",
}


def main(snakefile: str) -> None:
    """Print what jobs of the embedded benchmark ask for, by rule and attempt."""
    wildcards = SimpleNamespace(**NAMES)
    settings = OutputSettings(quiet={Quietness.ALL})
    with SnakemakeApi(settings) as api:
        loaded = api.workflow(resource_settings=ResourceSettings(cores=1), snakefile=Path(snakefile))
        rules = loaded._workflow.rules
        asked = {
            rule.name: [
                {
                    name: one.evaluate(
                        wildcards, input=[], attempt=attempt, threads=1, rulename=rule.name
                    ).value
                    for name, one in rule.resources.items()
                    if name in ASKED
                }
                for attempt in (1, 2, 3)
            ]
            for rule in rules
        }
    sys.stdout.write(json.dumps(asked))


if __name__ == "__main__":
    main(sys.argv[1])
