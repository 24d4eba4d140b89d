"""The measures of a made-up benchmark with everything that can go wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from promptreg.records import MetricRow, cost_rows, to_frame, unregistered

METHODS = ["identity", "affine", "niftyreg", "promptreg"]
NAN = float("nan")
LOST = (("affine", 3), ("niftyreg", 3), ("promptreg", 5))
"""Pairs of the group "organs" that a method failed on."""


def row(metric: str, value: float, status: str = "ok", label: str = "a") -> MetricRow:
    return MetricRow(
        label, metric, value, "%" if metric == "dice" else "mm", status, "" if status == "ok" else "so"
    )


def organ(dice: float, tre: float, label: str) -> list[MetricRow]:
    return [row("dice", dice, label=label), row("centroid_tre", tre, label=label),
            row("centroid_tre_penalized", tre, label=label)]  # fmt: skip


def lost_organ(label: str) -> list[MetricRow]:
    return [row("dice", 0, "empty", label), row("centroid_tre", NAN, "empty", label),
            row("centroid_tre_penalized", 250, "empty", label)]  # fmt: skip


def measures(method: str, level: int, pair: int, rng: np.random.Generator) -> list[MetricRow]:
    """Rows of one pair of the group "organs": failures, empty structures, ties and absent annotations."""
    if (method, pair) in LOST:
        return [unregistered("failed", f"pair {pair} was too | much_for *it*")]
    if method == "promptreg" and pair == 6:
        return [row("dice", NAN, "absent"), row("centroid_tre", NAN, "absent")]
    dice = float(np.round(50 + 8 * level + rng.normal(0, 6)))
    rows = organ(dice, 12 - 2 * level + rng.normal(), "a")
    return rows + (lost_organ("b") if (method, pair) == ("affine", 1) else organ(dice, 5.0, "b"))


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(4)
    found, costs = [], []
    for level, method in enumerate(METHODS):
        variant = (
            {"method": "promptreg", "variant": method}
            if method == "promptreg"
            else {"method": method, "variant": ""}
        )
        for pair in range(9):
            keys = {"dataset": "d", "pair": f"p{pair}", **variant}
            found.append(to_frame(measures(method, level, pair, rng), group="organs", **keys))
            costs.append(
                to_frame(cost_rows({"register": rng.random(), "warp": 120.0}), group="organs", **keys)
            )
        for pair in range(16):
            reached = [row("landmark_tre", rng.exponential(4 - level), label="")]
            absent = [unregistered("not run", "its subject was trained on")]
            keys = {"dataset": "d", "pair": f"q{pair}", **variant}
            found.append(
                to_frame(absent if (method, pair) == ("niftyreg", 2) else reached, group="tissue", **keys)
            )
        alone = {"dataset": "e", "group": "tissue", "pair": "r", **variant}
        found.append(to_frame([unregistered("failed", "no memory")], **alone))
    return pd.concat(found, ignore_index=True), pd.concat(costs, ignore_index=True)


def listing() -> pd.DataFrame:
    rows = [("d", f"p{n}", f"s{n % 4}", f"s{(n + 1) % 5}") for n in range(9)]
    rows += [("d", f"q{n}", f"t{n}", f"u{n}") for n in range(16)] + [("e", "r", "x", "x")]
    return pd.DataFrame(rows, columns=["dataset", "pair", "moving_subject", "fixed_subject"])
