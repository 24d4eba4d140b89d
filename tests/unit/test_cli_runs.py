import pytest
from test_costs import benchmark
from test_runrecord import leave_record
from typer.testing import CliRunner

from promptreg import cli
from promptreg.jobs import Job
from promptreg.settings import ConfigError


def call(*arguments):
    """Run a command; errors come as they are."""
    found = CliRunner().invoke(cli.app, [*map(str, arguments)])
    if found.exception is not None:
        raise found.exception
    return found.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a manifest of three pairs, and the results of a run that has measured one job."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"p{n},a.png,b.png,2\n" for n in range(3))
    (tmp_path / "pairs.csv").write_text(f"pair_id,moving,fixed,dimension\n{rows}")
    (tmp_path / "small.yaml").write_text("datasets: [{name: d}]\nmethods: [identity]\nmanifest: pairs.csv\n")
    leave_record("pilot", [Job("register", "identity/d/000", 1)])
    benchmark(tmp_path / "pilot", "register/identity/d/000", 1200, cpu=1200)
    return tmp_path


def row(text, rule):
    return next(line.split() for line in text.splitlines() if line.startswith(rule))


def test_status_says_how_far_a_run_is(folder):
    text = call("status", "pilot")
    assert "pilot: 1 jobs, 1 missing (0%)" in text
    assert row(text, "register") == ["register", "1", "0.33", "0.00", "0.0", "20.0", "min"]


def test_status_of_a_folder_without_results_is_an_error_that_says_what_to_name(folder):
    with pytest.raises(ValueError, match="name a folder of results"):
        call("status", folder)


def test_a_plan_counts_jobs_before_anything_has_run(folder):
    text = call("plan", "--configfile", "small.yaml", "--set", "shard_size=2")
    assert row(text, "register")[:3] == ["register", "2", "2"]
    assert row(text, "evaluate")[:3] == ["evaluate", "2", "2"]
    assert "Nothing has been measured" in text


def test_a_plan_is_estimated_like_another_run(folder):
    text = call("plan", "--configfile", "small.yaml", "--like", "pilot")
    assert row(text, "register") == ["register", "1", "1", "0.000", "1.00", "0.00", "method"]
    assert row(text, "fit " if "fit " in text else "evaluate")[3] == "?"


def test_what_is_done_is_not_planned(folder):
    (folder / "results/ddf/identity/d/000.zarr").mkdir(parents=True)
    assert row(call("plan", "--configfile", "small.yaml"), "register")[:3] == ["register", "1", "0"]


def test_a_wrong_setting_is_refused_with_its_name(folder):
    with pytest.raises(ConfigError, match="expected key=value"):
        call("plan", "--set", "manifest")
    with pytest.raises(ConfigError, match="sede: unknown key"):
        call("plan", "--set", "sede=3")
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        call("plan", "--configfile", "none.yaml")
