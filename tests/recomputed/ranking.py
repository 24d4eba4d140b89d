"""The table of ranks, and how steady they are."""

from __future__ import annotations

import math

from recomputed.results import Results, markdown
from recomputed.tables import METRICS


def compare_ranking(results: Results, expected: dict[tuple, dict]) -> None:
    """ranking.csv, rank_stability.csv and the text."""
    table = results.csv("ranking.csv")
    letters = {}
    for row in table.to_dict("records"):
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        letters[key] = row["alike"]
        if key not in expected:
            assert row["mean_rank"] == "" or math.isnan(float(row["mean_rank"])), key
            continue
        for name, number in expected[key].items():
            if name not in ("shares", "apart"):
                results.same(("ranking.csv", key, name), row[name], number)
    assert set(letters) >= set(expected)
    compare_letters(letters, expected)
    shares = results.csv("rank_stability.csv").to_dict("records")
    for row in shares:
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        results.same(
            ("rank_stability.csv", key), row["share"], expected[key]["shares"][int(row["place"]) - 1]
        )
    assert len(shares) == sum(len(one["shares"]) for one in expected.values())
    columns = list(
        dict.fromkeys((g, m) for g in results.groups for m in METRICS for k in expected if k[1:] == (*g, m))
    )
    for row in markdown(results, "ranking"):
        for (group, metric), text in zip(columns, row[1:], strict=True):
            one = expected.get((row[0], *group, metric))
            assert text == rank_text(one, letters.get((row[0], *group, metric), "")), (
                row[0],
                group,
                metric,
                text,
            )
            results.n_compared += 1


def rank_text(one: dict | None, letters: str) -> str:
    if one is None:
        return "–"
    places = "" if math.isnan(one["place_low"]) else f" ({one['place_low']:.0f}–{one['place_high']:.0f})"
    text = f"{one['mean_rank']:.2f}{places}{' ' + letters if letters else ''}"
    return f"**{text}**" if one["place"] == 1 else text


def compare_letters(letters: dict[tuple, str], expected: dict[tuple, dict]) -> None:
    """Two entries share a letter if and only if they cannot be told apart."""
    for key, one in expected.items():
        assert bool(letters[key]) == (not math.isnan(one["friedman_p"])), key
        for other in (k for k in expected if k[1:] == key[1:] and letters[key]):
            share = bool(set(letters[key]) & set(letters[other]))
            assert share == (other[0] not in one["apart"]), (key, other)
