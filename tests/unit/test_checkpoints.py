import hashlib
import subprocess
import sys

import pytest
import torch

from promptreg import checkpoints, registry

COLUMNS = "name\tfile\turl\tbytes\tsha256\tlicence\taccept\tkey\ttrained_on\n"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A tiny published checkpoint 'tiny', an empty cache, and a function that puts bytes into the cache."""
    origin = tmp_path / "origin.pth"
    torch.save({"weight": torch.arange(3.0)}, origin)
    payload = origin.read_bytes()
    digest = hashlib.sha256(payload).hexdigest()
    table = tmp_path / "checkpoints.tsv"
    row = f"tiny\ttiny.pth\thttp://127.0.0.1:9/tiny.pth\t{len(payload)}\t{digest}\tCC0\t\t\tnothing\n"
    table.write_text(COLUMNS + row)
    monkeypatch.setenv("PROMPTREG_CHECKPOINTS_TABLE", str(table))
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()

    def put(data: bytes = payload) -> bytes:
        (tmp_path / "cache" / "tiny.pth").write_bytes(data)
        return data

    return put


def test_the_table_of_the_repository_lists_every_checkpoint_that_the_registry_names():
    rows = checkpoints.table()
    named = {entry.checkpoint for entry in registry.MODELS.values() if entry.checkpoint}
    assert named <= set(rows)
    for row in rows.values():
        assert row.n_bytes is None or row.n_bytes > 1e6
        assert row.url.startswith("https://")


def test_an_absent_file_is_reported_with_the_command_that_gets_it(published):
    present, reason = checkpoints.status("tiny")
    assert not present
    assert "promptreg fetch tiny" in reason
    with pytest.raises(checkpoints.CheckpointUnavailable, match="promptreg fetch tiny"):
        checkpoints.load_state_dict("tiny")


def test_an_intact_file_is_loaded(published):
    published()
    assert checkpoints.status("tiny")[0]
    assert checkpoints.load_state_dict("tiny")["weight"].tolist() == [0.0, 1.0, 2.0]


def test_a_truncated_file_counts_as_absent(published):
    published(published()[:-10])
    present, reason = checkpoints.status("tiny")
    assert not present
    assert "bytes" in reason


def test_a_file_of_the_right_size_and_the_wrong_content_is_refused_with_both_hashes(published):
    data = bytearray(published())
    data[100] ^= 1
    published(bytes(data))
    with pytest.raises(ValueError, match=hashlib.sha256(data).hexdigest()) as error:
        checkpoints.load_state_dict("tiny")
    assert checkpoints.find("tiny").sha256 in str(error.value)
    assert "tiny.pth" in str(error.value)


def test_an_unchanged_file_is_hashed_once(published):
    published()
    checkpoints._sha256.cache_clear()
    checkpoints.verify("tiny")
    checkpoints.verify("tiny")
    assert checkpoints._sha256.cache_info().misses == 1


def test_fetch_keeps_an_intact_file_and_opens_no_connection(published):
    published()
    assert checkpoints.fetch("tiny") == checkpoints.path("tiny")


def test_a_failed_download_says_what_to_do_instead(published):
    with pytest.raises(checkpoints.CheckpointUnavailable, match="PROMPTREG_CACHE"):
        checkpoints.fetch("tiny")


def test_an_unknown_checkpoint_is_answered_with_the_known_names(published):
    with pytest.raises(ValueError, match="tiny"):
        checkpoints.path("huge")


def test_a_malformed_table_is_named(published, tmp_path):
    (tmp_path / "checkpoints.tsv").write_text("name\tfile\ntiny\ttiny.pth\n")
    with pytest.raises(ValueError, match=r"checkpoints\.tsv.*tiny"):
        checkpoints.table()


def test_a_missing_table_is_answered_with_the_variable_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CHECKPOINTS_TABLE", str(tmp_path / "absent.tsv"))
    with pytest.raises(FileNotFoundError, match="PROMPTREG_CHECKPOINTS_TABLE"):
        checkpoints.table()


def test_importing_the_module_imports_no_torch():
    code = "import sys, promptreg.checkpoints as c; c.status('sam_vit_b'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_of_the_package_are_known_by_their_recorded_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "shipped_file", lambda name: tmp_path / f"{name}.safetensors")
    assert checkpoints.shipped_hash("ours") is None
    (tmp_path / "ours.safetensors").write_bytes(b"tensors")
    (tmp_path / "ours.json").write_text('{"sha256": "abc"}')
    assert checkpoints.shipped_hash("ours") == "abc"
