import pytest

from promptreg.training.config import PRESETS
from promptreg.training.settings import settings


def test_a_preset_is_taken_as_it_is():
    assert settings("gpu") == PRESETS["gpu"]


def test_minutes_replace_either_budget():
    assert settings("cpu", minutes=5).minutes == 5
    changed = settings("smoke", minutes=5)
    assert (changed.steps, changed.minutes) == (None, 5)
    assert changed.side == PRESETS["smoke"].side


def test_a_file_replaces_the_preset(tmp_path):
    (tmp_path / "mine.yaml").write_text("steps: 12\nnetwork: {decoder: 32}\n")
    found = settings("cpu", tmp_path / "mine.yaml")
    assert (found.steps, found.network.decoder) == (12, 32)


def test_an_unknown_preset_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match="presets are smoke, cpu, more, gpu"):
        settings("tpu")


def test_a_wrong_file_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text("stepps: 12\n")
    with pytest.raises(ValueError, match=r"mine\.yaml: 1 validation error.*\n.*stepps"):
        settings("cpu", tmp_path / "mine.yaml")
