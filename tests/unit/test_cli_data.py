import sys

import pytest
from published_layouts import write_promis
from tiny_checkpoints import served
from tiny_sources import archive, packed, publish_sources, source
from typer.testing import CliRunner

from promptreg import cli


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Call `promptreg data` as a shell does; returns the text of its refusal, or "" where it ends well."""
    monkeypatch.setenv("PROMPTREG_DATA", str(tmp_path / "data"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["promptreg", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return "" if end.value.code in (0, None) else str(end.value.code)

    return run


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Three data sets: free, under terms, and not public; the first two are served."""
    content, offered = tmp_path / "content", tmp_path / "offered"
    write_promis(content)
    offered.mkdir()
    file = packed(content, offered / "a.zip")
    with served(offered) as address:
        publish_sources(
            tmp_path,
            monkeypatch,
            source(),
            source(name="terms", accept="noncommercial", licence="CC BY-NC 4.0"),
            source(name="closed", obtain="ask the trial team"),
            archives=[archive(**file, url=f"{address}/a.zip", source=name) for name in ("tiny", "terms")],
        )
        yield tmp_path / "data"


def test_the_list_says_of_every_data_set_whether_it_is_here_and_what_to_do(call, capsys, offer):
    assert call("fetch", "tiny") == ""
    capsys.readouterr()
    assert call("list") == ""
    header, tiny, terms, closed = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "reader", "size", "licence", "state"]
    assert tiny.endswith(f"here: {offer / 'tiny'}")
    assert terms.endswith("absent: promptreg data fetch terms --accept-licence")
    assert closed.endswith("absent, by hand: promptreg data describe closed")


def test_data_are_fetched_verified_and_described(call, capsys, offer, tmp_path):
    assert call("fetch", "tiny", "--record", tmp_path / "record.txt") == ""
    assert (tmp_path / "record.txt").read_text() == f"{offer / 'tiny'} is ready; licence CC0\n"
    assert call("verify", "all") == ""
    assert f"tiny: {offer / 'tiny'} is whole; 7 files compared" in capsys.readouterr().out
    assert call("describe", "tiny") == ""
    said = capsys.readouterr().out
    assert "subjects" in said
    assert "prostate gland" in said


def test_consent_is_asked_for_and_a_folder_of_ones_own_is_looked_at(call, capsys, offer, tmp_path):
    assert "CC BY-NC 4.0 (noncommercial), is not accepted" in call("fetch", "terms")
    assert call("fetch", "terms", "--accept-licence", "--root", tmp_path / "elsewhere") == ""
    assert call("verify", "terms", "--path", tmp_path / "content") == ""
    assert "recorded now for the first time" in capsys.readouterr().out
    assert "--path holds one data set" in call("verify", "terms", "tiny", "--path", tmp_path / "content")


def test_what_is_not_public_is_an_error_that_says_what_to_do(call, offer):
    assert "ask the trial team" in call("fetch", "closed")


def test_a_problem_is_shown_and_ends_in_status_one(call, capsys, offer):
    call("fetch", "tiny")
    (offer / "tiny" / "prostate_mri" / "mask" / "p7_study_0.nii.gz").unlink()
    assert call("verify", "tiny", "closed") == "promptreg: error: 2 of 2 data sets cannot be used as they are"
    said = capsys.readouterr().out
    assert "mask/p7_study_0.nii.gz is missing" in said
    assert "closed: " in said


def test_unknown_data_are_an_error_that_names_the_known_ones(call, offer):
    assert "unknown data set 'chaos': config/sources.tsv has tiny, terms, closed" in call("describe", "chaos")


@pytest.mark.parametrize("command", ["list", "describe", "verify", "fetch"])
def test_every_command_explains_itself(command):
    found = CliRunner().invoke(cli.app, ["data", command, "--help"])
    assert found.exit_code == 0
    assert "Usage" in found.output
