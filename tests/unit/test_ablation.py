from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.ablation import ablation, factors
from promptreg.published import WARNING, Number
from promptreg.records import MetricRow, to_frame
from promptreg.settings import ConfigError, load
from promptreg.table_formats import to_csv, to_html, to_latex, to_markdown

RAW = {
    "methods": ["identity", "few", "many", "never"],
    "variants": {
        "few": {"marginalize": {"prompts": 1}},
        "many": {"marginalize": {"prompts": 4}},
        "never": {"search": {"auxiliary": {"sigma": float("inf")}}},
    },
    "ablations": {
        "table9": {
            "title": "How many",
            "rows": {"many": "four", "few": "one", "never": "", "identity": ""},
            "factors": {"prompts": "marginalize.prompts", "sigma": "search.auxiliary.sigma"},
            "published": "Paper, Table 9",
            "note": "A note.",
        }
    },
}
NUMBERS = [
    Number("Paper, Table 9", "MR", method, measure, mean, 1.0, 7, unit, "Paper", "")
    for method, shift in (("one", 0.0), ("four", 5.0), ("never shown", 9.0))
    for measure, mean, unit in (("dice", 60 + shift, "%"), ("centroid_tre", 9 - shift, "mm"))
]
CONFIG = load(RAW)


def results() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frames = [
        to_frame(
            [MetricRow("organ", "dice", dice + rng.normal(), "%")],
            dataset="d", group="g", method="promptreg" if variant else "identity", variant=variant,
            pair=f"p{n}",
        )
        for n in range(7)
        for variant, dice in (("", 40), ("few", 55), ("many", 70), ("never", 50))
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def table():
    return ablation(results(), CONFIG, "table9", numbers=NUMBERS)


def test_rows_come_in_their_order_with_their_settings_and_a_dash_for_a_method_without_any(table):
    assert table.header[:3] == (("", "method"), ("", "prompts"), ("", "sigma"))
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [
        ["many", "4", "0.1"],
        ["few", "1", "0.1"],
        ["never", "all", "∞"],
        ["identity", "–", "–"],
    ]


def test_published_numbers_stand_in_columns_of_their_own_beside_the_row_of_the_same_setting(table):
    assert table.header[-2:] == (("MR, as published", "Dice (%)"), ("MR, as published", "centroid TRE (mm)"))
    assert [[cell.text for cell in row[-2:]] for row in table.rows] == [
        ["65 ± 1", "4 ± 1"],
        ["60 ± 1", "9 ± 1"],
        ["–", "–"],
        ["–", "–"],
    ]
    assert all(cell.foreign for row in table.rows for cell in row[-2:])
    assert [cell.text for row in table.rows for cell in row if cell.bold] == [table.rows[0][3].text]
    assert table.footnote.startswith(f"A note. Grey columns: Paper, Table 9, {WARNING}.")


def test_the_data_hold_ours_and_apart_from_them_what_was_published(table):
    ours, theirs = table.data[~table.data["published"]], table.data[table.data["published"]]
    assert ours.loc[(ours["entry"] == "few") & (ours["metric"] == "dice"), "mean"].item() == pytest.approx(
        55, abs=1
    )
    assert theirs[["entry", "prompts", "dataset", "group", "metric", "mean", "n"]].to_numpy().tolist() == [
        ["many", "4", "Paper, Table 9", "MR", "dice", 65.0, 7],
        ["many", "4", "Paper, Table 9", "MR", "centroid_tre", 4.0, 7],
        ["few", "1", "Paper, Table 9", "MR", "dice", 60.0, 7],
        ["few", "1", "Paper, Table 9", "MR", "centroid_tre", 9.0, 7],
    ]
    assert not theirs["best"].any()
    assert table.data["n_pairs"].dtype.kind == "i"


def test_published_cells_are_grey_in_every_format_that_has_colours(table):
    assert r"\textcolor{gray}{65 $\pm$ 1}" in to_latex(table)
    assert '<td class="short foreign">65 ± 1</td>' in to_html(table)
    assert "*65 ± 1*" in to_markdown(table)
    assert '\nmany,4,0.1,"Paper, Table 9",MR,dice,%,7,' in to_csv(table)


def test_an_ablation_without_published_numbers_is_ours_alone():
    config = load({**RAW, "ablations": {"mine": {"title": "t", "rows": {"few": "", "many": ""}}}})
    table = ablation(results(), config, "mine")
    assert table.header == (("", "method"), ("g", "Dice (%)"), ("g", "pairs"))
    assert not table.data["published"].any()
    assert factors(config, config.ablations["mine"]) == {"few": {}, "many": {}}


def changed(**changes):
    return load({**RAW, "ablations": {"table9": {**RAW["ablations"]["table9"], **changes}}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"published": "Paper, Table 8"},
            "table9.published: no table 'Paper, Table 8'; known are Paper, Table 9",
        ),
        (
            {"rows": {"few": "two"}},
            "table9.rows.few: no published row 'two'; known are one, four, never shown",
        ),
    ],
)
def test_published_numbers_that_do_not_exist_are_an_error(change, words):
    with pytest.raises(ValueError, match=words):
        ablation(results(), changed(**change), "table9", numbers=NUMBERS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": {"fw": ""}}, "table9.rows: 'fw' is none of `methods`; did you mean few"),
        (
            {"factors": {"k": "marginalize.prompt"}},
            "factors.k: unknown key .* did you mean marginalize.prompts",
        ),
        ({"curve": "views"}, "table9.curve: 'views' is none of its factors, prompts, sigma"),
        ({"rows": {}}, "table9.rows"),
    ],
)
def test_an_ablation_of_what_there_is_not_is_an_error_of_the_configuration(change, words):
    with pytest.raises(ConfigError, match=words):
        changed(**change)


def test_an_ablation_cannot_have_the_name_of_a_table_of_every_run():
    with pytest.raises(ConfigError, match=r"ablations\.table1: every run makes"):
        load({**RAW, "ablations": {"table1": RAW["ablations"]["table9"]}})
