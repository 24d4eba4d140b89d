import pytest
from typer.testing import CliRunner

from promptreg import cli
from promptreg.baselines import environments


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))


def call(*arguments):
    return CliRunner().invoke(cli.app, ["tools", *map(str, arguments)])


def broken(monkeypatch):
    def fail(name):
        raise RuntimeError("no network")

    monkeypatch.setattr(environments, "create", fail)


def test_environments_are_listed_with_their_methods_and_what_to_do():
    result = call("list")
    assert result.exit_code == 0
    for words in ("ants_syn", "elastix", "greedy", "promptreg tools install ants"):
        assert words in result.output


def test_what_cannot_be_installed_is_an_error(monkeypatch):
    broken(monkeypatch)
    assert isinstance(call("install", "ants").exception, RuntimeError)


def test_with_a_record_what_cannot_be_installed_is_written_down(monkeypatch, tmp_path):
    broken(monkeypatch)
    assert call("install", "ants", "--record", tmp_path / "ants.txt").exit_code == 0
    assert (tmp_path / "ants.txt").read_text() == "absent: no network\n"


def test_a_record_says_where_an_environment_is(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "create", lambda name: tmp_path / name)
    call("install", "ants", "--record", tmp_path / "ants.txt")
    assert "ants is ready" in (tmp_path / "ants.txt").read_text()
