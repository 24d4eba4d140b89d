from __future__ import annotations

import pandas as pd
import pytest
from test_comparison import results

from promptreg.comparison import outcomes
from promptreg.figures.ranks import critical_differences, rank_stability, written_places
from promptreg.figures.style import encode
from promptreg.ranking import place_shares, ranking

VALUES: dict[str, list[float | str]] = {"a": [9.0] * 20, "b": [5.0] * 20, "c": [5.0] * 20}


def found(n: int = 20) -> pd.DataFrame:
    return outcomes(results(**{name: one[:n] for name, one in VALUES.items()}), ["dice"])


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_every_ranked_method_is_named_with_its_mean_rank():
    figure = critical_differences(ranking(found()), ["a", "b", "c", "absent"])
    assert {"a  1.00", "b  2.50", "2.50  c"} <= set(texts(figure))
    assert figure.axes[0].get_title() == "g: Dice"


def test_methods_that_cannot_be_told_apart_are_joined_by_a_bar():
    figure = critical_differences(ranking(found()), list(VALUES))
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 2]
    assert [line.get_xdata().mean() for line in thick] == [2.5]


def test_too_few_pairs_are_said_to_be_untested():
    assert "n = 3, not tested" in texts(critical_differences(ranking(found(3)), list(VALUES)))


def test_bubbles_follow_the_order_given_and_their_area_the_share():
    figure = rank_stability(place_shares(found()), ["c", "a", "b"])
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a", "b"]
    bubbles = ax.collections[0]
    assert sorted(map(tuple, bubbles.get_offsets().tolist())) == [(1, 1), (2, 0), (2, 2)]
    assert len(set(bubbles.get_sizes())) == 1


@pytest.mark.parametrize("fmt", ["png", "svg", "pdf"])
def test_nothing_to_rank_is_still_a_figure(fmt: str):
    nothing = outcomes(results(a=["failed"], b=["not run"]), ["dice"])
    assert encode(critical_differences(ranking(nothing), ["a", "b"]), fmt)
    assert encode(rank_stability(place_shares(nothing), ["a", "b"]), fmt)


def test_a_single_pair_has_no_bubbles_and_a_text_instead():
    figure = rank_stability(place_shares(found(1)), list(VALUES))
    assert [text.get_text() for text in figure.texts] == ["No application has subjects to draw from"]


def test_many_places_are_numbered_one_in_five():
    assert written_places(4) == [1, 2, 3, 4]
    assert written_places(23) == [1, 5, 10, 15, 20]
