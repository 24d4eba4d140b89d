import hashlib
import logging

import pytest

from promptreg.trust import Lock, lock_path, read_lock, trusted_hash, write_lock

LOCK = Lock("ab" * 32, 7)


def test_what_is_recorded_is_read_again_and_lies_beside_the_file(tmp_path):
    file = tmp_path / "a.pth"
    assert read_lock(file) is None
    write_lock(file, LOCK)
    assert read_lock(file) == LOCK
    assert [one.name for one in tmp_path.iterdir()] == ["a.pth.lock.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": "a", "n_bytes": 1, "more": 2}'])
def test_a_damaged_lock_is_named_with_what_to_do(tmp_path, text):
    lock_path(tmp_path / "a.pth").write_text(text)
    with pytest.raises(ValueError, match=r"a\.pth\.lock\.json is no lock .* delete it"):
        read_lock(tmp_path / "a.pth")


def test_a_folder_that_cannot_be_written_is_logged(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    (tmp_path / "file").write_text("")
    write_lock(tmp_path / "file" / "a.pth", LOCK)
    assert "cannot be recorded" in caplog.text


def test_a_published_hash_is_asked_for_and_nothing_is_recorded(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(b"data")
    sha256 = hashlib.sha256(b"data").hexdigest()
    assert trusted_hash(file, sha256, name="a", remedy="fetch it") == sha256
    with pytest.raises(ValueError, match=rf"not the published 'a': .*{sha256}, expected 00.*then fetch it"):
        trusted_hash(file, "00" * 32, name="a", remedy="fetch it")
    assert read_lock(file) is None


def test_an_unpublished_hash_is_what_it_was_at_first(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(b"data")
    first = trusted_hash(file, "", name="a", remedy="fetch it")
    assert read_lock(file) == Lock(first, 4)
    file.write_bytes(b"other")
    with pytest.raises(ValueError, match=f"used first: .* recorded is {first}"):
        trusted_hash(file, "", name="a", remedy="fetch it")
