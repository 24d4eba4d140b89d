"""Do measures tell the same story, and are they of what they seem to be? Automatic warnings for reports.

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
ALL = "all methods"
N_NAMED = 3
"""Pairs that a warning names."""
_SPANS = {"dice": 1, "centroid_tre": 2}
"""Decimals."""


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
    left out, because their TRE is undefined (their number stands in every table). Where every entry breaks
    the law the structure is the reason, and there is one row for all of them.
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
    found = means.assign(warning=texts).reset_index()
    parts = [_of_structure(part) for _, part in found.groupby(["dataset", "group", "label"], sort=False)]
    return pd.concat(parts)[[*CASE, "warning"]].reset_index(drop=True)


def _of_structure(part: pd.DataFrame) -> pd.DataFrame:
    """The warnings of one structure; those of all entries are one."""
    told = part[part["warning"] != ""]
    if len(told) < 2 or len(told) < len(part):
        return told
    spans = [f"{told[name].min():.{n}f} to {told[name].max():.{n}f}" for name, n in _SPANS.items()]
    text = (
        f"Dice {spans[0]} % and centroid TRE {spans[1]} disagree with every method: this is no disc "
        "or ball (it is thin, hollow or in parts), or its annotations are not of the same thing"
    )
    return told.head(1).assign(entry=ALL, warning=text)


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
            rows.append((dataset, group, ALL, "", text))
    return pd.DataFrame(rows, columns=[*CASE, "warning"])


def acceptance_warnings(frame: pd.DataFrame) -> pd.DataFrame:
    """Report each entry that accepted no region of some pairs, whose start, or images, speak alone there.

    Returns the columns dataset, group, entry, label (empty), warning.
    """
    known = frame[(frame["metric"] == "accepted") & frame["value"].notna()]
    known = known.assign(entry=entries(known))
    rows = []
    for (dataset, group, entry), part in known.groupby(["dataset", "group", "entry"], sort=False):
        lost = list(part.loc[part["value"] == 0, "pair"])
        if lost:
            named = ", ".join(lost[:N_NAMED]) + (", ..." if len(lost) > N_NAMED else "")
            text = (
                f"no region was accepted on {len(lost)} of {len(part)} pairs ({named}): what was measured "
                "there is the start of the fit, and images where they take part in it"
            )
            rows.append((dataset, group, entry, "", text))
    return pd.DataFrame(rows, columns=[*CASE, "warning"])
