import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptreg.jobs import Job, all_jobs
from promptreg.layout import Layout
from promptreg.runrecord import FILE, read_record, write_record


def leave_record(root, jobs):
    """Write the record of a run of these jobs, started now where the caller is."""
    Path(root).mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"folder": str(Path.cwd()), "host": "here", "pid": 1, "started": now, "figure_format": "png"}
    listed = [[one.rule, one.name, one.items] for one in jobs]
    (Path(root) / FILE).write_text(json.dumps(about | {"jobs": listed}))


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The configuration of a benchmark of one pair in the folder where this runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text("pair_id,moving,fixed,dimension\np,a.png,b.png,2\n")
    return {"datasets": [{"name": "d"}], "manifest": "pairs.csv", "results_dir": "out"}


def test_what_was_written_is_read_back(config, tmp_path):
    write_record(Layout(config), config)
    found = read_record(tmp_path / "out")
    assert found.jobs == tuple(all_jobs(Layout(config)))
    assert (found.figure_format, found.folder, found.pid) == ("png", str(tmp_path), os.getpid())
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found.started)).total_seconds()) < 60


def test_jobs_of_data_that_are_fetched_first_are_known_once_these_are_here(config, tmp_path, monkeypatch):
    layout = Layout(config)
    layout.to_fetch = ("chaos",)
    write_record(layout, config)
    monkeypatch.chdir("/")
    assert read_record(tmp_path / "out").jobs == tuple(
        all_jobs(Layout(config | {"manifest": str(tmp_path / "pairs.csv")}))
    )


def test_until_then_only_fetching_is_known(config):
    layout = Layout(config)
    layout.to_fetch = ("chaos", "promise12")
    assert all_jobs(layout) == [Job("fetch", "chaos"), Job("fetch", "promise12")]


def test_a_folder_without_a_record_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(ValueError, match=rf"{FILE}: no such file; a run of the workflow writes it"):
        read_record(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"jobs": [["a"]]}', '{"jobs": 3}'])
def test_a_file_that_is_no_record_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ValueError, match=rf"{FILE}: no record of a run"):
        read_record(tmp_path)
