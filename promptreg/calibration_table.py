"""How well uncertainty foretells error: rank correlations within pairs, between pairs and over all points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as sps

from promptreg.calibration import bins
from promptreg.stats import GROUP, first_nonempty
from promptreg.tables import DASH, Cell, Table, group_titles

COLUMNS = (*GROUP, "entry", "pair", "predictor", "predicted", "error", "unit", "error_unit")
WORDS = {
    "views": "field: variance over views around",
    "prompts": "field: misfit of region pairs around",
    "distance": "field: distance to the nearest region",
    "variance": "region: variance over views",
}
LEAST_POINTS = 8
"""Points of a pair that a rank correlation within it takes."""
LEAST_PAIRS = 6
"""Pairs that a rank correlation of their means takes."""


def calibration_table(frame: pd.DataFrame) -> Table:
    """Return how what is foretold goes with what came true, by group, method and predictor.

    `frame` has the columns `COLUMNS`, a row a point. The data have a row a bin of the prediction (see
    `calibration.bins`), with the correlations of its predictor repeated.
    """
    keys = [*GROUP, "entry", "predictor"]
    parts = [_numbers(dict(zip(keys, map(str, key), strict=True)), part) for key, part in _parts(frame, keys)]
    data = pd.DataFrame([row for rows in parts for row in rows], columns=list(_DATA))
    places = {
        key: number
        for number, key in enumerate(dict.fromkeys(zip(data["dataset"], data["group"], strict=True)))
    }
    titles = dict(zip(places, group_titles(list(places)), strict=True))
    header = (
        "application",
        "method",
        "what foretells",
        "points",
        "rank correlation",
        "within pairs: median",
        "positive",
        "between pairs",
    )
    shown = tuple((("", title)) for title in (*header, "error where lowest", "highest"))
    return Table(data, shown, tuple(_row(rows, titles) for rows in parts), _FOOTNOTE)


def _parts(frame: pd.DataFrame, keys: list[str]) -> Any:
    return frame.groupby(keys, sort=False)


def _numbers(key: Mapping[str, str], part: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of one predictor, one a bin."""
    within = [rank_correlation(one) for _, one in part.groupby("pair") if len(one) >= LEAST_POINTS]
    known = [rho for rho in within if not np.isnan(rho)]
    means = part.groupby("pair", sort=False)[["predicted", "error"]].mean()
    common = {
        **key,
        "unit": first_nonempty(part["unit"]),
        "error_unit": first_nonempty(part["error_unit"]),
        "n_points": len(part),
        "n_pairs": len(known),
        "rho": rank_correlation(part),
        "rho_within": float(np.median(known)) if known else float("nan"),
        "n_positive": sum(rho > 0 for rho in known),
        "rho_between": rank_correlation(means) if len(means) >= LEAST_PAIRS else float("nan"),
    }
    found = bins(part["predicted"].to_numpy(), part["error"].to_numpy())
    return [
        {**common, "bin": number, "n": n, "predicted": predicted, "error": error}
        for number, (n, predicted, error) in enumerate(found)
    ]


def rank_correlation(part: pd.DataFrame) -> float:
    """Return Spearman's correlation of prediction and error; NaN where either is the same everywhere."""
    if part["predicted"].nunique() < 2 or part["error"].nunique() < 2:
        return float("nan")
    return float(sps.spearmanr(part["predicted"], part["error"]).statistic)


def _row(rows: list[dict[str, Any]], titles: Mapping[tuple[str, str], str]) -> tuple[Cell, ...]:
    first, last = rows[0], rows[-1]
    unit = f" {first['error_unit']}" if first["error_unit"] else ""
    texts = (
        titles[first["dataset"], first["group"]],
        first["entry"],
        WORDS[first["predictor"]],
        str(first["n_points"]),
        _signed(first["rho"]),
        _signed(first["rho_within"]),
        f"{first['n_positive']}/{first['n_pairs']}",
        _signed(first["rho_between"]),
        f"{first['error']:.3g}{unit}",
        f"{last['error']:.3g}{unit}" if len(rows) > 1 else DASH,
    )
    return tuple(map(Cell, texts))


def _signed(value: float) -> str:
    return DASH if np.isnan(value) else f"{value:+.2f}".replace("-", "−")


_DATA = (
    *(*GROUP, "entry", "predictor", "unit", "error_unit", "n_points", "n_pairs"),
    *("rho", "rho_within", "n_positive", "rho_between", "bin", "n", "predicted", "error"),
)
_FOOTNOTE = (
    "Points are landmarks; for a region, landmarks that it or its partner holds. Errors: of a field, its "
    "distance from the truth; of a region, the squared difference of the probabilities at corresponding "
    "points, which the variance would equal if views erred independently. Spearman's rank correlation over "
    f"all points; within pairs of at least {LEAST_POINTS} points: their median, and in how many it is "
    f"positive; between at least {LEAST_PAIRS} pairs, of their means: is it known which pair is lost? Errors "
    "are means in the tenth of the points for which least, or most, was foretold. The distance to the "
    "nearest region uses no view: what foretells less than it adds nothing."
)
