import pytest
from tiny_training import tiny_config
from typer.testing import CliRunner

from promptreg import cli
from promptreg.nets.weightfile import check_record, read_about


def call(*arguments):
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that the command trained."""
    folder = tmp_path_factory.mktemp("run")
    settings = folder / "settings.yaml"
    settings.write_text(tiny_config(steps=2).model_dump_json())
    result = call("train", "--config", settings, "--out", folder / "out")
    assert result.exit_code == 0, result.output
    return folder / "out"


def test_training_ends_in_weights_curves_log_and_checkpoint(run):
    names = {one.name for one in run.iterdir()}
    assert names == {"checkpoint.pt", "log.csv", "curves.png", "pocket.safetensors", "pocket.json"}
    check_record(run / "pocket.safetensors")
    assert read_about(run / "pocket.safetensors")["steps"] == 2


def test_a_run_is_exported_again(run):
    (run / "pocket.safetensors").unlink()
    assert call("export", run).exit_code == 0
    check_record(run / "pocket.safetensors")


def test_a_second_run_in_the_same_folder_is_refused(run):
    result = call("train", "--preset", "smoke", "--out", run)
    assert isinstance(result.exception, ValueError)
    assert "resume" in str(result.exception)


def test_an_unknown_preset_is_an_error(tmp_path):
    result = call("train", "--preset", "tpu", "--out", tmp_path / "x")
    assert "presets are" in str(result.exception)
    assert not (tmp_path / "x").exists()
