import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

import promptreg
from promptreg import checkpoints, cli, manual, onepair, registry
from promptreg.geometry import affine_to_ddf, default_affine, write_itk
from promptreg.provenance import Signature
from promptreg.store import create
from promptreg.types import Grid


@pytest.fixture
def call(monkeypatch):
    """Call the program as a shell does; returns the text of its refusal, or "" where it ends well."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["promptreg", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return "" if end.value.code in (0, None) else str(end.value.code)

    return run


def field(folder):
    grid = Grid((20, 30), default_affine(2))
    write_itk(folder / "ddf.nii.gz", affine_to_ddf(np.eye(3), grid))
    return folder / "ddf.nii.gz"


@pytest.mark.parametrize("kind", ["models", "methods", "datasets"])
def test_everything_that_can_be_plugged_in_is_listed_with_its_supervision(call, capsys, kind):
    assert call("list", kind) == ""
    text = capsys.readouterr().out
    for entry in registry.TABLES[cli.KINDS[kind]].values():
        assert f"{entry.name} " in text
        assert entry.summary in text


def test_a_model_without_weights_is_listed_with_the_command_that_gets_them(
    call, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv(checkpoints.CACHE_VARIABLE, str(tmp_path))
    call("list", "models")
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("sam_vit_b"))
    assert "pretrained elsewhere" in lines[place]
    assert "not available" in lines[place + 1]
    assert "promptreg weights fetch sam_vit_b" in lines[place + 1]


def test_only_known_kinds_can_be_listed(call):
    assert "cannot list 'model'; choose models, methods or datasets" in call("list", "model")


def test_a_stage_runs_with_its_job_and_writes_its_output(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with create("pairs.zarr", Signature("pairs", {})) as writer:
        writer.fail("a", "no image")
    job = {"unavailable": "", "method": "m", "variant": "", "dataset": "d", "evaluate": {}, "code": ""}
    with create("ddf.zarr", Signature("ddf", {})) as writer:
        writer.fail("a", "no image")
    output = ("--job", json.dumps(job), "--output", "m.parquet", "ddf.zarr", "pairs.zarr")
    assert call("stage", "evaluate", *output) == ""
    assert call("gather", "m.parquet", "--metrics", "all.parquet", "--timings", "t.parquet") == ""
    assert {"m.parquet", "all.parquet", "t.parquet"} <= {one.name for one in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stage", "serch"), "unknown stage 'serch'; stages are images, pairs"),
        (("stage", "fit", "--job", "{"), "--job is not JSON"),
        (("stage", "fit", "nowhere.zarr", "--output", "o", "--job", '{"code": ""}'), "store nowhere.zarr"),
        (("register", "--moving", "nowhere.png", "--fixed", "b.png", "--out", "o"), "nowhere.png"),
        (
            ("apply", "--ddf", "nowhere.nii.gz", "--out", "o", "--image", "a.png"),
            "nowhere.nii.gz: no such file",
        ),
        (("apply", "--ddf", "nowhere.nii.gz", "--out", "o"), "exactly one of image, labels and points"),
    ],
)
def test_bad_input_ends_in_one_readable_line(call, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    text = call(*arguments)
    assert text.startswith("promptreg: error: ")
    assert words in text
    assert not (tmp_path / "o").exists()


def test_points_without_a_direction_are_refused(call, tmp_path):
    (tmp_path / "p.csv").write_text("x,y\n3,4\n")
    arguments = (
        "apply",
        "--ddf",
        field(tmp_path),
        "--out",
        tmp_path / "o.csv",
        "--points",
        tmp_path / "p.csv",
    )
    assert "points need --direction fixed-to-moving or moving-to-fixed" in call(*arguments)
    assert not (tmp_path / "o.csv").exists()
    assert call(*arguments, "--direction", "moving-to-fixed") == ""
    assert (tmp_path / "o.csv").read_text().splitlines()[1] == "0,3.000000,4.000000"


def test_the_options_of_register_reach_the_library(call, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(onepair, "register", lambda *images, **more: asked.update(images=images, **more))
    monkeypatch.setattr(onepair, "save", lambda result, out: asked.update(out=out))
    arguments = ("--moving", "m.png", "--fixed", "f.png", "--prompt", "1,2", "--prompt", "3,4", "--seed", "5")
    assert call("register", *arguments, "--variant", "promptreg", "--out", "o") == ""
    assert asked == {
        "images": (Path("m.png"), Path("f.png")),
        "prompts": ["1,2", "3,4"],
        "model": None,
        "variant": "promptreg",
        "config": None,
        "seed": 5,
        "out": Path("o"),
    }


def test_images_of_different_kinds_are_refused_by_register(call, tmp_path):
    rng = np.random.default_rng(0)
    PIL.Image.fromarray(rng.integers(0, 255, (16, 17), dtype=np.uint8)).save(tmp_path / "m.png")
    np.save(tmp_path / "f.npy", rng.random((5, 6, 7)))
    text = call(
        "register", "--moving", tmp_path / "m.png", "--fixed", tmp_path / "f.npy", "--out", tmp_path / "o"
    )
    assert "moving is 2D and fixed is 3D" in text
    assert not (tmp_path / "o").exists()


def test_the_generated_configuration_is_written_and_checked(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "out of date: config/config.yaml" in call("config", "--check")
    assert call("config") == ""
    assert call("config", "--check") == ""
    assert manual.drift(tmp_path) == []


def test_an_error_in_the_program_itself_is_not_hidden(monkeypatch):
    def broken(*arguments, **more):
        raise TypeError("a bug")

    monkeypatch.setattr(onepair, "apply", broken)
    monkeypatch.setattr(sys, "argv", ["promptreg", "apply", "--ddf", "d.nii.gz", "--out", "o.png"])
    with pytest.raises(TypeError, match="a bug"):
        cli.main()


def test_an_expected_error_shows_its_trace_where_debugging_is_asked_for(monkeypatch):
    monkeypatch.setattr(logging.getLogger("promptreg"), "level", logging.DEBUG)
    monkeypatch.setattr(logging.getLogger("promptreg"), "_cache", {})
    monkeypatch.setattr(sys, "argv", ["promptreg", "list", "nothing"])
    with pytest.raises(ValueError, match="cannot list"):
        cli.main()


def test_a_shell_sees_a_non_zero_status_and_the_message_alone():
    command = [sys.executable, "-m", "promptreg.cli", "list", "nothing"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.strip() == (
        "promptreg: error: cannot list 'nothing'; choose models, methods or datasets"
    )


@pytest.mark.parametrize(
    "command", ["list", "weights", "stage", "gather", "rulegraph", "register", "apply", "config"]
)
def test_every_command_explains_itself(command):
    found = CliRunner().invoke(cli.app, [command, "--help"])
    assert found.exit_code == 0
    assert "Usage" in found.output


def test_every_stage_that_can_be_named_is_a_module_with_a_run_function():
    folder = Path(promptreg.__file__).parent / "stages"
    shared = {"__init__", "attempt", "inputs", "loaded", "alone", "figurefiles"}
    modules = {one.stem for one in folder.glob("*.py")} - shared
    assert modules == set(cli.STAGES)
    for stage in cli.STAGES:
        assert (
            "\ndef run(job: dict[str, Any], inputs: list[str], output: str)"
            in (folder / f"{stage}.py").read_text()
        )
