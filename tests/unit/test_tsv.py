import pytest

from promptreg import tsv

COLUMNS = ("name", "bytes")
CHECKS = {
    "name": (tsv.PLAIN.fullmatch, "a plain name"),
    "bytes": (tsv.NUMBER.fullmatch, "a number or nothing"),
}


def write(folder, *lines):
    path = folder / "table.tsv"
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def test_rows_are_read_as_they_stand_quotes_too(tmp_path):
    path = write(tmp_path, "a\t3", "b\t")
    assert tsv.read(path, COLUMNS, CHECKS) == [{"name": "a", "bytes": "3"}, {"name": "b", "bytes": ""}]
    assert tsv.read(write(tmp_path, 'a\t"'), COLUMNS, {}) == [{"name": "a", "bytes": '"'}]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a", "expected the tab-separated columns name, bytes"),
        ("a\t3\t4", "expected the tab-separated columns"),
        ("../a\t3", "name is '../a', expected a plain name"),
        ("a\tx", "bytes is 'x', expected a number or nothing"),
        ("a\x07\t3", "name holds a control character"),
    ],
)
def test_a_bad_row_is_named_with_the_cell_and_what_was_expected(tmp_path, line, words):
    with pytest.raises(ValueError, match=r"table\.tsv, row ") as error:
        tsv.read(write(tmp_path, "good\t1", line), COLUMNS, CHECKS)
    assert words in str(error.value)


def test_a_value_may_not_stand_twice_in_whatever_case(tmp_path):
    tsv.refuse_twice(tmp_path, "name", ["a", "b"])
    with pytest.raises(ValueError, match="name 'tiny' stands there twice"):
        tsv.refuse_twice(tmp_path, "name", ["tiny", "Tiny"])


def test_a_table_is_where_the_variable_says_or_in_the_checkout(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setenv("ANY_TABLE", str(path))
    assert tsv.locate("sources.tsv", "ANY_TABLE") == path
    monkeypatch.setenv("ANY_TABLE", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match=r"gone; set ANY_TABLE to the path of sources\.tsv"):
        tsv.locate("sources.tsv", "ANY_TABLE")
    monkeypatch.delenv("ANY_TABLE")
    assert tsv.locate("sources.tsv", "ANY_TABLE").parts[-2:] == ("config", "sources.tsv")
