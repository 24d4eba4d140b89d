import hashlib
import json
import logging
import subprocess
import sys

import pytest
import torch
from tiny_checkpoints import PAYLOAD, publish, row, served, unpublished

from promptreg import checkpoints, trust
from promptreg.trust import lock_path, read_lock

OTHER = b"PK others!"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The empty cache of one published checkpoint, 'tiny'."""
    return publish(tmp_path, monkeypatch, row())


@pytest.fixture
def open_cache(tmp_path, monkeypatch):
    """The cache of a checkpoint without a published hash, which lies there."""
    folder = publish(tmp_path, monkeypatch, unpublished())
    (folder / "tiny.pth").write_bytes(PAYLOAD)
    return folder


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_an_absent_file_is_reported_with_the_command_that_gets_it(cache):
    present, reason = checkpoints.status("tiny")
    assert not present
    assert "promptreg weights fetch tiny" in reason
    assert checkpoints.obstacle("tiny") == "no weights: promptreg weights fetch tiny"
    with pytest.raises(checkpoints.CheckpointUnavailable, match="promptreg weights fetch tiny"):
        checkpoints.load_state_dict("tiny")
    with pytest.raises(checkpoints.CheckpointUnavailable, match="absent"):
        checkpoints.verify("tiny")


def test_an_intact_file_is_loaded(tmp_path, monkeypatch):
    torch.save({"model": {"weight": torch.arange(3.0)}}, tmp_path / "a.pth")
    data = (tmp_path / "a.pth").read_bytes()
    cache = publish(tmp_path, monkeypatch, row(bytes=str(len(data)), sha256=sha256(data), key="model"))
    (cache / "tiny.pth").write_bytes(data)
    assert checkpoints.status("tiny")[0]
    assert checkpoints.obstacle("tiny") == ""
    assert checkpoints.load_state_dict("tiny")["weight"].tolist() == [0.0, 1.0, 2.0]


def test_a_truncated_file_counts_as_absent(cache):
    (cache / "tiny.pth").write_bytes(PAYLOAD[:-1])
    present, reason = checkpoints.status("tiny")
    assert not present
    assert "has 9 bytes, expected 10" in reason
    assert checkpoints.signature("tiny") == "absent"


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"", b"\x08\x00\x00"])
def test_a_page_instead_of_weights_counts_as_absent(open_cache, content):
    (open_cache / "tiny.pth").write_bytes(content)
    present, reason = checkpoints.status("tiny")
    assert not present
    assert "is no file of weights, it begins with" in reason
    assert read_lock(open_cache / "tiny.pth") is None


def test_a_file_of_the_right_size_and_the_wrong_content_is_refused_with_both_hashes(cache):
    (cache / "tiny.pth").write_bytes(OTHER)
    with pytest.raises(ValueError, match=sha256(OTHER)) as error:
        checkpoints.load_state_dict("tiny")
    assert sha256(PAYLOAD) in str(error.value)
    assert str(cache / "tiny.pth") in str(error.value)


def test_an_unchanged_file_is_hashed_once(cache):
    (cache / "tiny.pth").write_bytes(PAYLOAD)
    trust._sha256.cache_clear()
    checkpoints.verify("tiny")
    checkpoints.verify("tiny")
    assert trust._sha256.cache_info().misses == 1


def test_an_unpublished_hash_is_recorded_on_first_use_and_told(open_cache, caplog):
    caplog.set_level(logging.INFO)
    checkpoints.verify("tiny")
    lock = json.loads((open_cache / "tiny.pth.lock.json").read_text())
    assert lock == {"sha256": sha256(PAYLOAD), "n_bytes": len(PAYLOAD)}
    assert "trusted on first use" in caplog.text
    assert sha256(PAYLOAD) in caplog.text
    caplog.clear()
    checkpoints.verify("tiny")
    assert caplog.text == ""


@pytest.mark.parametrize("later", [OTHER, PAYLOAD + b"more"])
def test_another_file_under_a_recorded_name_is_refused_with_both_hashes_and_what_to_do(open_cache, later):
    checkpoints.verify("tiny")
    (open_cache / "tiny.pth").write_bytes(later)
    for attempt in (checkpoints.verify, checkpoints.load_state_dict, checkpoints.fetch):
        with pytest.raises(ValueError, match=sha256(later)) as error:
            attempt("tiny")
        assert sha256(PAYLOAD) in str(error.value)
        assert f"delete {lock_path(open_cache / 'tiny.pth')} to trust this one" in str(error.value)


def test_results_depend_on_the_published_or_recorded_hash(cache, open_cache):
    assert checkpoints.signature("tiny") == sha256(PAYLOAD)
    assert read_lock(open_cache / "tiny.pth").sha256 == sha256(PAYLOAD)
    (open_cache / "tiny.pth").write_bytes(OTHER)
    assert checkpoints.signature("tiny") == sha256(PAYLOAD)
    lock_path(open_cache / "tiny.pth").unlink()
    assert checkpoints.signature("tiny") == sha256(OTHER)


def test_fetch_keeps_an_intact_file_and_opens_no_connection(cache):
    (cache / "tiny.pth").write_bytes(PAYLOAD)
    assert checkpoints.fetch("tiny") == checkpoints.path("tiny")


def test_a_download_is_checked_and_put_into_the_cache(tmp_path, monkeypatch):
    (tmp_path / "tiny.pth").write_bytes(PAYLOAD)
    with served(tmp_path) as address:
        for one in (row, unpublished):
            cache = publish(tmp_path, monkeypatch, one(url=f"{address}/tiny.pth"))
            assert checkpoints.fetch("tiny").read_bytes() == PAYLOAD
            (cache / "tiny.pth").unlink()
    assert read_lock(cache / "tiny.pth").n_bytes == len(PAYLOAD)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>sign in</html>", "no file of weights"), (PAYLOAD[:-2], "has 8 bytes, expected 10")],
)
def test_a_download_of_something_else_leaves_nothing(tmp_path, monkeypatch, content, words):
    (tmp_path / "tiny.pth").write_bytes(content)
    with served(tmp_path) as address:
        n_bytes = "" if b"html" in content else "10"
        cache = publish(tmp_path, monkeypatch, unpublished(url=f"{address}/tiny.pth", bytes=n_bytes))
        with pytest.raises(checkpoints.CheckpointUnavailable, match="did not give the weights") as error:
            checkpoints.fetch("tiny")
    assert words in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_failed_download_says_what_to_do_instead_and_leaves_nothing(cache, tmp_path, monkeypatch):
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"cannot download .*PROMPTREG_CACHE"):
        checkpoints.fetch("tiny")
    with served(tmp_path) as address:
        publish(tmp_path, monkeypatch, row(url=f"{address}/absent.pth"))
        with pytest.raises(checkpoints.CheckpointUnavailable, match="404"):
            checkpoints.fetch("tiny")
    assert list(cache.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it_and_the_variable(cache, monkeypatch):
    (cache / "file").write_bytes(b"")
    monkeypatch.setenv("PROMPTREG_CACHE", str(cache / "file"))
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"/file cannot be made .*PROMPTREG_CACHE"):
        checkpoints.fetch("tiny", accept=True)


def test_weights_of_a_licence_that_is_not_accepted_are_neither_fetched_nor_loaded(tmp_path, monkeypatch):
    (tmp_path / "tiny.pth").write_bytes(PAYLOAD)
    with served(tmp_path) as address:
        terms = {"accept": "noncommercial", "licence": "CC BY-NC 4.0", "url": f"{address}/tiny.pth"}
        cache = publish(tmp_path, monkeypatch, row(**terms))
        assert checkpoints.obstacle("tiny") == "no weights: promptreg weights fetch tiny --accept-licence"
        with pytest.raises(checkpoints.CheckpointUnavailable, match=r"CC BY-NC 4\.0 .*--accept-licence"):
            checkpoints.fetch("tiny")
        assert list(cache.iterdir()) == []
        (cache / "tiny.pth").write_bytes(PAYLOAD)
        assert checkpoints.status("tiny")[0] is False
        assert checkpoints.status("tiny", ["tiny"])[0]
        assert checkpoints.obstacle("tiny").startswith("licence CC BY-NC 4.0 not accepted: promptreg weights")
        with pytest.raises(checkpoints.CheckpointUnavailable, match="PROMPTREG_ACCEPT_LICENCES=tiny"):
            checkpoints.load_state_dict("tiny")
        assert checkpoints.verify("tiny")
        (cache / "tiny.pth").unlink()
        checkpoints.fetch("tiny", accept=True)
    assert checkpoints.status("tiny")[0]


def test_importing_the_module_imports_no_torch():
    code = "import sys, promptreg.checkpoints as c; c.status('sam_vit_b'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_of_the_package_are_known_by_their_recorded_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "shipped_file", lambda name: tmp_path / f"{name}.safetensors")
    assert checkpoints.shipped_hash("ours") is None
    (tmp_path / "ours.safetensors").write_bytes(b"tensors")
    (tmp_path / "ours.json").write_text('{"sha256": "abc"}')
    assert checkpoints.shipped_hash("ours") == "abc"
