from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.calibration_table import COLUMNS, calibration_table
from promptreg.figures.calibration import reliability_curves


def points(predictor, *, sign=1.0, n_pairs=4, n_points=30, seed=0) -> pd.DataFrame:
    """Errors that follow the prediction within each pair, and whose level falls from pair to pair."""
    rng = np.random.default_rng(seed)
    frames = []
    for pair in range(n_pairs):
        predicted = rng.uniform(size=n_points)
        frames.append(
            pd.DataFrame(
                {
                    "predicted": predicted + 5 * pair,
                    "error": sign * predicted - 5 * sign * pair + 20,
                    "pair": f"p{pair}",
                }
            )
        )
    whole = pd.concat(frames, ignore_index=True)
    unit = "" if predictor in ("views", "variance") else "px"
    error_unit = "" if predictor == "variance" else "px"
    return whole.assign(
        dataset="d", group="g", entry="mine", predictor=predictor, unit=unit, error_unit=error_unit
    )[list(COLUMNS)]


@pytest.fixture(scope="module")
def table():
    return calibration_table(pd.concat([points("views"), points("prompts", sign=-1.0)], ignore_index=True))


def test_correlations_within_pairs_are_told_apart_from_that_over_all_points(table):
    data = table.data.drop_duplicates("predictor").set_index("predictor")
    assert data["rho_within"].tolist() == pytest.approx([1.0, -1.0])
    assert data.loc["views", "rho"] < -0.7
    assert data.loc["prompts", "rho"] > 0.7
    assert data[["n_points", "n_pairs", "n_positive"]].to_numpy().tolist() == [[120, 4, 4], [120, 4, 0]]


def test_the_data_have_a_row_a_bin_and_people_one_a_predictor(table):
    assert table.data.groupby("predictor", sort=False).size().tolist() == [10, 10]
    shown = [[cell.text for cell in row] for row in table.rows]
    assert [row[:4] for row in shown] == [
        ["g", "mine", "field: variance over views around", "120"],
        ["g", "mine", "field: misfit of region pairs around", "120"],
    ]
    assert [row[5:8] for row in shown] == [["+1.00", "4/4", "–"], ["−1.00", "0/4", "–"]]
    assert shown[0][8].endswith(" px")


def test_pairs_are_told_apart_by_their_means_from_six_on():
    enough = calibration_table(points("views", n_pairs=6)).data["rho_between"]
    assert enough.tolist() == pytest.approx([-1.0] * 10)
    assert calibration_table(points("views", n_pairs=5)).data["rho_between"].isna().all()


def test_pairs_with_few_points_or_one_prediction_alone_have_no_correlation():
    few, same = points("views", n_points=4), points("prompts").assign(predicted=1.0)
    data = calibration_table(pd.concat([few, same], ignore_index=True)).data
    first = data.drop_duplicates("predictor").set_index("predictor")
    assert first["n_pairs"].tolist() == [0, 0]
    assert first["rho_within"].isna().all()
    assert np.isnan(first.loc["prompts", "rho"])
    assert (data["predictor"] == "prompts").sum() == 1


def test_nothing_to_calibrate_is_an_empty_table():
    table = calibration_table(pd.DataFrame(columns=list(COLUMNS)))
    assert (table.rows, len(table.data)) == ((), 0)
    assert reliability_curves(table.data, ["mine"]) is not None


def test_every_predictor_has_a_panel_and_that_of_regions_the_line_of_equality():
    data = calibration_table(pd.concat([points("views"), points("variance")], ignore_index=True)).data
    figure = reliability_curves(data, ["other", "mine"])
    assert [len(ax.lines) for ax in figure.axes] == [1, 0, 0, 2]
    assert figure.axes[0].lines[0].get_label() == "ρ = +1.00"
    assert len(figure.axes[0].lines[0].get_xdata()) == 10
    first, second = figure.axes[3].lines[1].get_xydata()
    assert first.tolist() == [0, 0]
    assert second[0] == second[1] > 0
    assert figure.axes[0].get_ylabel() == "error of the field (px)"
