import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptreg.baselines import environments
from promptreg.baselines.base import BaselineUnavailable


@pytest.fixture(autouse=True)
def _places(monkeypatch, tmp_path):
    """A folder of locks with one that wants nothing, and an empty cache."""
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "plain.lock").write_text("# nothing\n")
    monkeypatch.setenv(environments.LOCKS_VARIABLE, str(locks))
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PROMPTREG_PYTHON_PLAIN", raising=False)


@pytest.fixture
def quick_venv(monkeypatch):
    """Count commands; a venv is a folder with a link to this Python."""
    commands = []

    def run(command):
        commands.append(command)
        if "venv" in command:
            python = Path(command[-1], "bin", "python")
            python.parent.mkdir(parents=True, exist_ok=True)
            python.unlink(missing_ok=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(environments, "_run", run)
    return commands


def test_an_environment_that_is_not_installed_says_how_to_get_it():
    with pytest.raises(BaselineUnavailable, match="promptreg tools install plain"):
        environments.interpreter("plain")


def test_an_unknown_environment_names_the_places_looked_at(tmp_path):
    with pytest.raises(BaselineUnavailable, match="locks"):
        environments.interpreter("absent")


def test_an_interpreter_of_ones_own_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("PROMPTREG_PYTHON_PLAIN", sys.executable)
    assert environments.interpreter("plain") == Path(sys.executable)
    monkeypatch.setenv("PROMPTREG_PYTHON_PLAIN", "/nowhere/python")
    with pytest.raises(BaselineUnavailable, match="cannot be run"):
        environments.interpreter("plain")


def test_an_environment_is_installed_once_with_every_hash_required(quick_venv):
    place = environments.create("plain")
    assert environments.create("plain") == place
    assert len(quick_venv) == 2
    assert "--require-hashes" in quick_venv[1]
    python = environments.interpreter("plain")
    assert subprocess.run([python, "-c", "print(1)"], check=True, capture_output=True).stdout == b"1\n"


def test_a_changed_lock_is_another_environment(quick_venv):
    place = environments.create("plain")
    lock = Path(os.environ[environments.LOCKS_VARIABLE], "plain.lock")
    lock.write_text("# something else\n")
    assert environments.folder("plain") != place
    with pytest.raises(BaselineUnavailable):
        environments.interpreter("plain")


def test_an_interrupted_installation_is_begun_anew(quick_venv, monkeypatch):
    run = environments._run

    def failing(command):
        if "pip" in command:
            raise RuntimeError("no network")
        run(command)

    monkeypatch.setattr(environments, "_run", failing)
    with pytest.raises(RuntimeError, match="no network"):
        environments.create("plain")
    with pytest.raises(BaselineUnavailable):
        environments.interpreter("plain")
    monkeypatch.setattr(environments, "_run", run)
    environments.create("plain")
    assert environments.interpreter("plain").is_file()


def test_a_failed_command_is_told_with_its_last_words():
    with pytest.raises(RuntimeError, match="the end"):
        environments._run([sys.executable, "-c", "import sys; sys.exit('the end')"])
