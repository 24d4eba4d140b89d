"""What the jobs of every rule have cost, from their benchmark files and logs."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.costs import RuleCost, by_rule, read_costs
from promptreg.table_formats import csv_text


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write a CSV, one row a rule, into the folder `tables` of the results.

    `inputs` is only there so that all pairs have been registered and measured before.
    """
    rows = [asdict(one) for one in by_rule(read_costs(Path(output).parents[1]))]
    with replacing(output) as path:
        path.write_text(csv_text(pd.DataFrame(rows, columns=[one.name for one in fields(RuleCost)])))
