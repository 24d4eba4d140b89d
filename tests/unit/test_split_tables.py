import pytest

from promptreg.split_tables import read_split, write_split

PARTS = {"a": "test", "b": "train", "c": "validation"}


def test_what_is_written_is_read_again_in_its_order(tmp_path):
    path = tmp_path / "splits" / "d.tsv"
    write_split(path, PARTS)
    assert list(read_split(path).items()) == list(PARTS.items())
    assert path.read_text().splitlines()[:2] == ["subject\tpart", "a\ttest"]


def test_a_table_may_be_added_to_and_nobody_may_be_moved_or_removed(tmp_path):
    path = tmp_path / "d.tsv"
    write_split(path, PARTS)
    write_split(path, {**PARTS, "d": "train"})
    assert read_split(path)["d"] == "train"
    for other in ({**PARTS, "d": "test"}, {**PARTS}):
        with pytest.raises(ValueError, match="'d' is in 'train' and may not be moved or removed"):
            write_split(path, other)
    assert len(read_split(path)) == 4


def test_a_missing_table_is_answered_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.tsv: no such table .*promptreg data split"):
        read_split(tmp_path / "gone.tsv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject\tpart\na\ttesting\n", "part is 'testing', expected train or validation or test"),
        ("subject\tpart\n\ttest\n", "expected the name of a subject"),
        ("subject\tpart\na\ttest\na\ttrain\n", "subject 'a' stands there twice"),
        ("name\tpart\na\ttest\n", "expected the tab-separated columns subject, part"),
    ],
)
def test_a_malformed_table_is_named(tmp_path, text, words):
    (tmp_path / "d.tsv").write_text(text)
    with pytest.raises(ValueError, match=r"d\.tsv") as error:
        read_split(tmp_path / "d.tsv")
    assert words in str(error.value)
