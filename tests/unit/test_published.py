from __future__ import annotations

import io
from pathlib import Path

import pytest

import promptreg
from promptreg.published import COLUMNS, WARNING, frame, joined, read, tables

FILE = Path(promptreg.__file__).with_name("published.csv")
LINE = {
    "table": "T",
    "data_set": "lungs",
    "method": "tool",
    "measure": "dice",
    "mean": "7.5",
    "sd": "",
    "n": "",
    "unit": "%",
    "source": "A 2020",
    "note": "",
}


def text(*lines: dict[str, str]) -> io.StringIO:
    rows = [",".join(COLUMNS), *(",".join({**LINE, **line}[name] for name in COLUMNS) for line in lines)]
    return io.StringIO("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def numbers():
    with FILE.open(newline="", encoding="utf-8") as stream:
        return read(stream)


def test_a_number_is_read_with_what_its_source_states_and_no_more():
    (one,) = read(text({"sd": "1.5", "note": "of few"}))
    assert (one.mean, one.sd, one.n, one.note) == (7.5, 1.5, None, "of few")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": "high"}, "line 2: could not convert"),
        ({"mean": "nan"}, "line 2: mean, sd and n cannot be nan"),
        ({"sd": "-1"}, "line 2: mean, sd and n cannot be"),
        ({"n": "0"}, "line 2: mean, sd and n cannot be"),
        ({"source": " "}, "line 2: source is empty"),
        ({"measure": "dise"}, "unknown measure 'dise'"),
    ],
)
def test_a_malformed_line_is_an_error_that_names_it(change, words):
    with pytest.raises(ValueError, match=words):
        read(text(change))


def test_one_number_twice_and_two_units_in_one_column_are_errors():
    with pytest.raises(ValueError, match="line 3: T, lungs, tool, dice stands there twice"):
        read(text({}, {"mean": "8"}))
    with pytest.raises(ValueError, match=r"line 3: .* has two units"):
        read(text({}, {"method": "other", "unit": "fraction"}))


def test_other_columns_and_too_few_cells_are_errors():
    with pytest.raises(ValueError, match="expected the columns"):
        read(io.StringIO("a,b\n1,2\n"))
    with pytest.raises(ValueError, match="line 2: expected 10 cells"):
        read(io.StringIO(",".join(COLUMNS) + "\nT,lungs\n"))


def test_a_table_has_methods_as_rows_and_says_beneath_that_it_is_not_comparable():
    found = tables(read(text({"sd": "1"}, {"method": "other", "data_set": "brains", "note": "few"})))["T"]
    assert found.header == (("", "method"), ("lungs", "Dice (%)"), ("brains", "Dice (%)"))
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["tool", "7.5 ± 1", "–"],
        ["other", "–", "7.5"],
    ]
    assert not any(cell.bold for row in found.rows for cell in row)
    assert WARNING.casefold() in found.footnote.casefold()
    assert found.footnote.endswith("Source: A 2020. other: few.")


def test_joined_tables_stand_under_their_titles_and_the_warning():
    assert joined({"A": "a\n", "B": "b\n"}) == f"A ({WARNING}):\n\na\n\nB ({WARNING}):\n\nb\n"


def test_the_numbers_of_the_paper_are_those_that_it_prints(numbers):
    data = frame(numbers)
    paper = data[data["table"] == "Register Anything, Table 1"]
    assert len(paper) == 8 * 5 * 2 + 3 * 3 * 2
    best = paper[(paper["data_set"] == "CT-Lung") & (paper["measure"] == "dice")].nlargest(1, "mean")
    assert best[["method", "mean", "sd"]].to_numpy().tolist() == [["PromptReg w 3dAdapter", 90.46, 2.53]]
    assert data["source"].str.len().min() > 0


def test_the_papers_row_of_niftyreg_is_shown_with_the_reasons_why_it_is_not_a_fair_one(numbers):
    note = tables(numbers)["Register Anything, Table 1"].footnote
    assert "NiftyReg: Not a fair reading of NiftyReg" in note
    assert "below that of doing nothing" in note


def test_every_share_of_overlap_lies_between_nothing_and_all(numbers):
    for one in numbers:
        if one.measure == "dice":
            assert 0 <= one.mean <= {"%": 100, "fraction": 1}[one.unit]


def test_the_curves_of_figure_5_start_together_and_end_at_the_five_prompts_of_table_4(numbers):
    data = frame(numbers).set_index(["table", "method", "measure"])["mean"]
    curves = data.filter(like="Fig. 5").droplevel(0)
    starts = [curves[f"{kind}, J = 1", "dice"] for kind in ("random", "rotation", "scaling", "flip")]
    assert starts == [70.42] * 4
    table4 = data["Register Anything, Table 4 (number of prompts)"]
    for measure in ("dice", "centroid_tre"):
        assert curves["random, J = 10", measure] == table4["5 prompts", measure]
    assert len(curves) == 2 * (3 * 6 + 4)
