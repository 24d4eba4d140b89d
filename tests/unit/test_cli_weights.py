import sys

import pytest
from tiny_checkpoints import PAYLOAD, publish, row, served, unpublished
from typer.testing import CliRunner

from promptreg import checkpoints, cli


@pytest.fixture
def call(monkeypatch):
    """Call `promptreg weights` as a shell does; returns the text of its refusal, or "" where it ends well."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["promptreg", "weights", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return "" if end.value.code in (0, None) else str(end.value.code)

    return run


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of 'tiny', which is there, and of 'open' and 'strict', which are not."""
    others = (
        unpublished(name="open", file="open.pt"),
        row(name="strict", file="strict.pth", accept="gated", licence="SAM License", bytes="2500000000"),
    )
    folder = publish(tmp_path, monkeypatch, row(), *others)
    (folder / "tiny.pth").write_bytes(PAYLOAD)
    return folder


def test_the_list_says_of_every_file_what_is_known_and_whether_it_is_here(call, capsys, cache):
    (cache / "open.pt").write_bytes(PAYLOAD)
    assert call("verify", "open") == ""
    (cache / "strict.pth").write_bytes(PAYLOAD)
    capsys.readouterr()
    assert call("list") == ""
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "size", "licence", "state", "file"]
    assert lines[1].split() == ["tiny", "0", "MB", "CC0", "present", str(cache / "tiny.pth")]
    assert lines[2].split() == ["open", "unknown", "CC0", "locked", str(cache / "open.pt")]
    assert "2500 MB  SAM License (gated, not accepted)  damaged" in lines[3]
    (cache / "open.pt").unlink()
    call("list")
    assert "absent" in capsys.readouterr().out.splitlines()[2]


def test_weights_that_are_there_are_checked_and_their_place_is_told(call, capsys, cache):
    assert call("fetch", "tiny") == ""
    assert f"{cache / 'tiny.pth'} is ready" in capsys.readouterr().out


def test_weights_that_cannot_be_downloaded_are_a_clear_error(call, cache):
    (cache / "tiny.pth").unlink()
    text = call("fetch", "tiny")
    assert "cannot download http://127.0.0.1:9/tiny.pth" in text
    assert "put it in" in text


def test_damaged_weights_are_an_error_that_names_the_file(call, cache):
    (cache / "tiny.pth").write_bytes(b"PK weighty")
    text = call("fetch", "tiny")
    assert str(cache / "tiny.pth") in text
    assert "sha256" in text


def test_unknown_weights_are_an_error_that_names_the_known_ones(call, cache):
    assert "unknown checkpoint 'sam'" in (text := call("fetch", "sam"))
    assert "tiny" in text


def test_weights_under_terms_are_fetched_after_consent_which_is_remembered(call, tmp_path, monkeypatch):
    (tmp_path / "tiny.pth").write_bytes(PAYLOAD)
    with served(tmp_path) as address:
        cache = publish(tmp_path, monkeypatch, row(accept="noncommercial", url=f"{address}/tiny.pth"))
        assert "CC0 (noncommercial), is not accepted" in call("fetch", "tiny")
        assert not (cache / "tiny.pth").exists()
        assert call("fetch", "tiny", "--accept-licence") == ""
    assert call("fetch", "tiny") == ""


def test_everything_that_is_here_is_verified(call, capsys, cache):
    (cache / "open.pt").write_bytes(PAYLOAD)
    assert call("verify", "all") == ""
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["tiny", "open"]
    assert all(f"intact, sha256 {checkpoints.find('tiny').sha256}" in line for line in lines)


def test_an_empty_folder_is_said_to_be_empty(call, capsys, cache):
    (cache / "tiny.pth").unlink()
    assert call("verify", "all") == ""
    assert capsys.readouterr().out == f"no weights in {cache}\n"


def test_every_mismatch_is_shown_and_ends_in_status_one(call, capsys, cache):
    (cache / "tiny.pth").write_bytes(b"PK weighty")
    assert call("verify", "tiny", "strict") == "promptreg: error: 2 of 2 weight files cannot be used"
    text = capsys.readouterr().out
    assert "tiny: " in text
    assert "is not the published 'tiny'" in text
    assert "strict.pth is absent" in text
    assert CliRunner().invoke(cli.app, ["weights", "verify", "tiny"]).exit_code == 1


@pytest.mark.parametrize("command", ["list", "fetch", "verify"])
def test_every_command_explains_itself(command):
    found = CliRunner().invoke(cli.app, ["weights", command, "--help"])
    assert found.exit_code == 0
    assert "Usage" in found.output
