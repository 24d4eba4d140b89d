import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

from promptreg.demand import gpus
from promptreg.licences import ACCEPT_VARIABLE, with_variable
from promptreg.plan import Plan
from promptreg.provenance import PLANNED_VARIABLE
from promptreg.registry import BASELINES
from promptreg.runguard import clear_stale_locks, hold_results
from promptreg.runrecord import write_record
from promptreg.settings import ConfigError

if workflow.is_main_process:
    clear_stale_locks()

try:
    plan = Plan(config)
    FORMAT = plan.config.figures.format
    plan.check()
except ConfigError as error:
    raise WorkflowError(f"the configuration cannot be used:\n{error}") from None

os.environ.setdefault(PLANNED_VARIABLE, str(time.time()))
os.environ[ACCEPT_VARIABLE] = with_variable(plan.config.accept_licences)

shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)


onstart:
    try:
        hold_results(plan.root)
    except RuntimeError as error:
        raise WorkflowError(str(error)) from None
    write_record(plan, config)


def growing(amount, most=float("inf")):
    """A resource that doubles with every further attempt at a job, to no more than `most`."""
    return lambda wildcards, attempt: min(amount * 2 ** (attempt - 1), most)


wildcard_constraints:
    source=r"[a-z0-9_]+",
    dataset=r"[A-Za-z0-9_-]+",
    pair=r"[A-Za-z0-9._-]+",
    shard=r"\d+",
    method=r"[^/]+",
    figure="distributions|ranks|stability|time|hours|rulegraph",
    baseline="|".join(BASELINES),
    model=r"[A-Za-z0-9_]+",
    variant="|".join(map(re.escape, plan.variants)) or "none",
