"""Do Dice and centroid TRE tell the same story? Automatic warnings for tables and reports.

Two equal balls of radius r, displaced by d, have Dice 1 - 3d/4r + d^3/16r^3: a mean Dice of 8 % beside a
centroid TRE of 5 mm is impossible for a structure of 25 mm radius, whoever prints it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from promptreg.records import entries

DICE_EXCESS, DICE_DEFICIT = 25.0, 50.0
CASE = ["dataset", "group", "entry", "label"]


def dice_of_balls(distance: float, radius: float, ndim: int) -> float:
    """Return the Dice in [0, 1] of two equal discs (2D) or balls (3D) with centres `distance` apart."""
    ratio = min(distance / (2 * radius), 1.0)
    if ndim == 3:
        return 1 - 1.5 * ratio + 0.5 * ratio**3
    return 2 / np.pi * (np.arccos(ratio) - ratio * np.sqrt(1 - ratio**2))


def consistency_warning(dice: float, centroid_tre: float, volume: float, ndim: int) -> str:
    """Return a warning where Dice (percent) and centroid TRE cannot well belong together, else "".

    Compares with equal discs or balls of the structure's `volume` (unit of the TRE to the power ndim).
    Shapes and shape errors differ, so only a Dice 25 points above or 50 points below that law is told.
    """
    if not (np.isfinite([dice, centroid_tre, volume]).all() and volume > 0):
        return ""
    radius = float(np.sqrt(volume / np.pi) if ndim == 2 else np.cbrt(0.75 * volume / np.pi))
    expected = 100 * dice_of_balls(centroid_tre, radius, ndim)
    if -DICE_DEFICIT <= dice - expected <= DICE_EXCESS:
        return ""
    shape = "discs" if ndim == 2 else "balls"
    return (
        f"Dice {dice:.1f} % and centroid TRE {centroid_tre:.2f} disagree: equal {shape} of radius "
        f"{radius:.1f} so far apart have Dice {expected:.1f} %; look for near-empty warped masks, "
        "swapped axes or mixed units"
    )


def law_warnings(frame: pd.DataFrame) -> pd.DataFrame:
    """Check the mean Dice, centroid TRE and volume of every entry and structure against the law.

    Returns the columns dataset, group, entry, label, warning; pairs whose structure is empty or absent are
    left out, because their TRE is undefined (their number stands in every table).
    """
    known = frame[frame["metric"].isin(["dice", "centroid_tre", "volume"]) & (frame["status"] == "ok")]
    known = known.assign(entry=entries(known))
    if known.empty:
        return pd.DataFrame(columns=[*CASE, "warning"])
    ndim = known[known["metric"] == "volume"].set_index(CASE)["unit"].str[-1].astype(int)
    ndim = ndim.groupby(level=CASE).first()
    means = (
        known.groupby([*CASE, "metric"], sort=False)["value"]
        .mean()
        .unstack("metric")
        .join(ndim.rename("ndim"))
    )
    means = means.reindex(columns=["dice", "centroid_tre", "volume", "ndim"]).dropna()
    texts = [consistency_warning(d, tre, v, round(n)) for d, tre, v, n in means.to_numpy(float).tolist()]
    found = means.assign(warning=texts).reset_index()[[*CASE, "warning"]]
    return found[found["warning"] != ""].reset_index(drop=True)


def rank_warnings(summary: pd.DataFrame) -> pd.DataFrame:
    """Report each entry with the best mean Dice of its group whose centroid TRE is in the worse half.

    `summary` is that of `stats.summarize`; returns the columns dataset, group, entry, label, warning.
    """
    rows = []
    for (dataset, group), part in summary.groupby(["dataset", "group"], sort=False):
        means = part.pivot(index="entry", columns="metric", values="mean")
        means = means.reindex(columns=["dice", "centroid_tre"]).dropna()
        if len(means) < 3:
            continue
        best = int(means["dice"].argmax())
        rank = int(means["centroid_tre"].rank(method="min").iloc[best])
        if rank > (len(means) + 1) // 2:
            dice = means["dice"].iloc[best]
            text = f"best Dice ({dice:.1f} %) but centroid TRE rank {rank} of {len(means)}"
            rows.append((dataset, group, means.index[best], "", text))
    return pd.DataFrame(rows, columns=[*CASE, "warning"])


def unit_warnings(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Report each group whose pairs have a metric in several units, which are kept apart.

    Returns the columns dataset, group, entry (all), label, warning.
    """
    chosen = frame[frame["metric"].isin(list(metrics)) & frame["value"].notna()]
    rows = []
    for (dataset, group, metric), part in chosen.groupby(["dataset", "group", "metric"], sort=False):
        if len(units := sorted(set(part["unit"]))) > 1:
            text = f"{metric} is in {' and '.join(units)} within one group: each unit has a mean of its own"
            rows.append((dataset, group, "all methods", "", text))
    return pd.DataFrame(rows, columns=[*CASE, "warning"])
