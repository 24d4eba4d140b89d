import hashlib

import pytest

from promptreg.file_list import NAME, changes, read_list, survey, write_list
from promptreg.unpack import Unpacked


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"xyz")
    (tmp_path / "b.csv").write_bytes(b"")
    return tmp_path


def test_a_survey_names_every_file_with_size_and_hash_but_hidden_ones(folder):
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "y").write_bytes(b"y")
    assert survey(folder) == [
        Unpacked("a/x.png", 3, hashlib.sha256(b"xyz").hexdigest()),
        Unpacked("b.csv", 0, hashlib.sha256(b"").hexdigest()),
    ]


def test_what_is_recorded_is_read_again_and_does_not_record_itself(folder):
    assert read_list(folder) is None
    files = survey(folder)
    assert write_list(folder, files)
    assert read_list(folder) == files == survey(folder)
    assert list(changes(folder, files)) == []


def test_every_change_is_named_and_later_files_do_not_count(folder):
    files = survey(folder)
    (folder / "later").write_text("new")
    assert list(changes(folder, files)) == []
    (folder / "a" / "x.png").write_bytes(b"xyZ")
    (folder / "b.csv").write_bytes(b"1")
    first, second = changes(folder, files)
    assert f"a/x.png has the sha256 {hashlib.sha256(b'xyZ').hexdigest()}, recorded is" in first
    assert "b.csv has 1 bytes, recorded are 0" in second
    (folder / "b.csv").unlink()
    assert f"{folder / 'b.csv'} is missing" in list(changes(folder, files))


def test_a_damaged_record_is_an_error_that_names_it(folder):
    (folder / NAME).write_text("place\tbytes\tsha256\na\tx\ty\n")
    with pytest.raises(ValueError, match=r"\.promptreg-files\.tsv, row 'a': bytes is 'x'"):
        read_list(folder)


def test_a_folder_that_cannot_be_written_is_said_in_the_log(folder, caplog):
    assert not write_list(folder / "b.csv", [])
    assert "cannot be recorded" in caplog.text
