from __future__ import annotations

import numpy as np
import torch
from test_comparison import results

from promptreg.comparison import outcomes
from promptreg.extremes import extreme_pairs
from promptreg.figures.extremes import Case, case_rows
from promptreg.geometry import affine_to_ddf, default_affine
from promptreg.types import Grid, Image, Pair


def chosen(metric: str = "dice", **values: list[float | str]) -> list[tuple[str, str]]:
    table = extreme_pairs(outcomes(results(metric, **values), [metric]), [metric])
    return list(zip(table["kind"], table["pair"], strict=True))


def test_the_worst_the_median_and_the_best_pair_are_chosen():
    values = [50.0, 10, 40, 20, 30]
    assert chosen(a=values) == [("worst", "p1"), ("median", "p4"), ("best", "p0")]
    assert chosen("landmark_tre", a=values) == [("worst", "p0"), ("median", "p4"), ("best", "p1")]


def test_one_pair_is_the_only_one_and_two_have_no_median():
    assert chosen(a=[1.0]) == [("only", "p0")]
    assert chosen(a=[1.0, 2.0]) == [("worst", "p0"), ("best", "p1")]


def test_a_failed_pair_is_the_worst_and_one_that_was_not_run_is_left_out():
    assert chosen(a=[1.0, "failed", "not run"], b=[1.0, 2, 3])[:2] == [("worst", "p1"), ("best", "p0")]


def test_a_group_without_any_measure_has_none():
    assert chosen(a=["failed"], b=["not run"]) == []


def test_every_pair_is_a_row_of_four_pictures_and_a_failed_one_says_why():
    grid = Grid((20, 24), default_affine(2, (1.0, 1.0)))
    data = torch.rand((1, 20, 24), generator=torch.Generator().manual_seed(0))
    pair = Pair(Image(data, grid), Image(data, grid), np.eye(3), "p")
    labels = np.zeros((20, 24), int)
    labels[5:15, 5:15] = 1
    good = Case("best", pair, affine_to_ddf(np.eye(3), grid), labels, labels)
    figure = case_rows([Case("worst", pair, "no memory"), good])
    assert len(figure.axes) == 8
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["no memory"]
    assert [len(ax.collections) for ax in figure.axes] == [0] * 7 + [2]
