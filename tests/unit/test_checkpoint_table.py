import pytest
from tiny_checkpoints import publish, row, unpublished

from promptreg import checkpoint_table, registry


def test_the_table_of_the_repository_lists_every_checkpoint_that_the_registry_names():
    rows = checkpoint_table.table()
    assert {entry.checkpoint for entry in registry.MODELS.values() if entry.checkpoint} <= set(rows)


def test_size_and_hash_may_be_unknown(tmp_path, monkeypatch):
    publish(tmp_path, monkeypatch, unpublished(key="model", accept="gated"))
    found = checkpoint_table.find("tiny")
    assert found.n_bytes is None
    assert (found.sha256, found.key, found.accept) == ("", "model", "gated")


def test_what_is_stated_is_read_as_it_stands(tmp_path, monkeypatch):
    publish(tmp_path, monkeypatch, row(trained_on='the "big" set, 3 %'))
    assert checkpoint_table.find("tiny").trained_on == 'the "big" set, 3 %'
    assert checkpoint_table.find("tiny").n_bytes == 10


@pytest.mark.parametrize("column", ["name", "file"])
@pytest.mark.parametrize(
    "text",
    [
        *("../tiny.pth", "..", "a/b.pth", "/etc/tiny.pth", "a\\b.pth", ".hidden.pth", "C:tiny.pth", "~.pth"),
        *(
            "tiny .pth",
            "",
            "-tiny.pth",
            "tïny.pth",
            "tiny\x00.pth",
            "tiny\x1b.pth",
            "tiny\u202e.pth",
            "$x.pth",
        ),
    ],
)
def test_only_plain_names_are_taken(tmp_path, monkeypatch, column, text):
    publish(tmp_path, monkeypatch, row(**{column: text}))
    with pytest.raises(ValueError, match=rf"table\.tsv, row .*{column} "):
        checkpoint_table.table()


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("file", "tiny.exe", "ends in .pth, .pt, .safetensors"),
        ("file", "tiny.pth.json", "ends in"),
        ("url", "file:///etc/passwd", "https://"),
        ("url", "https://a b", "https://"),
        ("bytes", "-3", "a number or nothing"),
        ("bytes", "1e9", "a number or nothing"),
        ("sha256", "abc", "64 hexadecimal digits"),
        ("licence", "", "the licence of the weights"),
        ("accept", "yes", "nothing or noncommercial or gated"),
        ("key", "a\x07", "key holds a control character"),
        ("trained_on", "a\x1b[2J", "trained_on holds a control character"),
    ],
)
def test_a_malformed_cell_is_named_with_what_was_expected(tmp_path, monkeypatch, column, text, words):
    publish(tmp_path, monkeypatch, row(**{column: text}))
    with pytest.raises(ValueError, match=r"table\.tsv, row 'tiny'") as error:
        checkpoint_table.table()
    assert words in str(error.value)


@pytest.mark.parametrize("line", ["tiny\ttiny.pth", "tiny" + 9 * "\tx"])
def test_a_line_of_too_few_or_too_many_cells_is_named(tmp_path, monkeypatch, line):
    publish(tmp_path, monkeypatch)
    with (tmp_path / "table.tsv").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ValueError, match="row 'tiny': expected the tab-separated columns name, file, url"):
        checkpoint_table.table()


@pytest.mark.parametrize("other", [row(file="other.pth"), row(name="other"), row(name="o", file="Tiny.pth")])
def test_two_rows_cannot_share_a_name_or_a_file(tmp_path, monkeypatch, other):
    publish(tmp_path, monkeypatch, row(), other)
    with pytest.raises(ValueError, match="stands there twice"):
        checkpoint_table.table()


def test_an_unknown_checkpoint_is_answered_with_the_known_names(tmp_path, monkeypatch):
    publish(tmp_path, monkeypatch, row())
    with pytest.raises(ValueError, match=r"unknown checkpoint 'huge'.*tiny"):
        checkpoint_table.find("huge")


def test_a_missing_table_is_answered_with_the_variable_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CHECKPOINTS_TABLE", str(tmp_path / "absent.tsv"))
    with pytest.raises(FileNotFoundError, match="PROMPTREG_CHECKPOINTS_TABLE"):
        checkpoint_table.table()
