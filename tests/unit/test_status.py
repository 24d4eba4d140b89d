import json
import os
import re
import time
from dataclasses import replace

import pytest
from damage import flip_in_store
from test_costs import benchmark, log
from test_runrecord import leave_record

from promptreg import runguard
from promptreg.costs import Cost
from promptreg.jobs import Job
from promptreg.provenance import Signature
from promptreg.run_texts import status_text
from promptreg.runrecord import FILE
from promptreg.status import NO_WORD, Found, progress, seconds_per_item, status
from promptreg.store import create

JOBS = (
    Job("images", "d/000", 2),
    Job("pairs", "d/000", 2),
    Job("search", "promptreg/d/000", 2),
    Job("fit", "promptreg/d/000", 2),
    Job("register", "identity/d/000", 2),
    Job("report"),
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Results of a run that has prepared its pairs, one of them in vain, and failed in the search."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results"
    leave_record(root, JOBS)
    for kind, rule in (("images", "images"), ("pairs", "pairs"), ("ddf/identity", "register")):
        with create(root / kind / "d/000.zarr", Signature(kind, {})) as writer:
            writer.put("good", {"a": (("x",), [1.0, 2.0])})
            writer.fail("bad", "images: ValueError: constant image")
        benchmark(
            root, f"{rule}/{kind.partition('/')[2] or ''}/d/000".replace("//", "/"), 60, cpu=30, memory=512
        )
    log(root, "search/promptreg/d/000", "INFO search 1/2 good\npromptreg: error: no space left on device\n")
    log(root, "fit/promptreg/d/000", "INFO fit 1/2 good, about 4 s left\n")
    return root


def states(found):
    return {one.job.rule: one.state for one in found.found}


def test_every_job_has_a_state_and_what_ended_badly_a_reason(root):
    found = status(root)
    assert not found.alive
    assert states(found) == {
        **dict.fromkeys(("images", "pairs", "register"), "done"),
        **{"search": "failed", "fit": "stopped", "report": "missing"},
    }
    reasons = {one.job.rule: (one.reason, one.log) for one in found.found if one.reason}
    assert reasons == {
        "search": ("promptreg: error: no space left on device", "logs/search/promptreg/d/000.log"),
        "fit": (NO_WORD, "logs/fit/promptreg/d/000.log"),
    }


def test_a_job_without_an_error_runs_while_its_run_is_alive(root, monkeypatch):
    monkeypatch.setattr("promptreg.status.is_running", lambda folder: True)
    assert states(status(root))["fit"] == "running"
    assert states(status(root))["search"] == "failed"
    os.utime(root / "logs/fit/promptreg/d/000.log", (1, 1))
    assert states(status(root))["fit"] == "stopped"


def test_a_run_is_alive_while_it_holds_the_lock_of_its_results(root):
    runguard.hold_results(root)
    try:
        assert status(root).alive
    finally:
        os.close(runguard._held.pop())
    assert not status(root).alive


def test_what_lacks_a_result_is_said_once_with_the_methods_that_miss_it(root):
    (one,) = status(root).without
    assert (one.status, one.reason) == ("failed", "images: ValueError: constant image")
    assert (one.stage, one.names, one.methods) == ("images", {"bad"}, {"identity"})


def test_a_store_whose_signature_is_damaged_is_named_and_with_a_check_one_whose_data_is(root):
    flip_in_store(root / "pairs/d/000.zarr", "good/a/c/0", 1)
    assert status(root).damaged == ()
    (named,) = status(root, check=True).damaged
    assert str(root / "pairs/d/000.zarr") in named
    (root / "images/d/000.zarr/signature.json").write_text("{")
    (named,) = status(root).damaged
    assert str(root / "images/d/000.zarr") in named


def test_a_folder_without_a_signature_is_no_finished_store(root):
    (root / "images/d/000.zarr/signature.json").unlink()
    assert states(status(root))["images"] == "missing"


def test_work_left_is_mean_seconds_an_item_times_items_left():
    first, second, other = Job("fit", "a/000", 4), Job("fit", "a/001", 2), Job("search", "a/001", 2)
    found = [Found(first, "done"), Found(second, "missing"), Found(other, "running")]
    cost = Cost("fit", "a/000", 40.0, 40.0, 1.0, False, ended=1000.0)
    left = progress(found, [cost], begun=990.0, now=1010.0)
    assert left.left_seconds == {"fit": 20.0}
    assert left.unknown == 1
    assert left.share == pytest.approx(1 / 3)
    assert left.at_once == pytest.approx(2.0)
    assert progress(found, [replace(cost, ended=1.0)], begun=990.0, now=1010.0).at_once == 1.0
    assert seconds_per_item([cost], {}) == {}


def test_the_text_names_states_reasons_costs_and_what_is_left(root):
    text = status_text(status(root), most=20)
    assert "6 jobs, 3 done, 1 failed, 1 stopped, 1 missing (50%)" in text
    assert "no run is alive" in text
    assert "failed search promptreg/d/000: promptreg: error: no space left on device (logs/search/" in text
    assert "failed in images, 1 (bad): images: ValueError: constant image; methods: identity" in text
    row = next(line for line in text.splitlines() if line.startswith("images"))
    assert row.split() == ["images", "1", "0.01", "0.00", "0.5"]


def test_long_lists_are_cut_and_say_so(root):
    record = json.loads((root / FILE).read_text())
    for number in range(30):
        record["jobs"].append(["search", f"promptreg/d/1{number:02d}", 1])
        log(root, f"search/promptreg/d/1{number:02d}", "promptreg: error: no\n")
    (root / FILE).write_text(json.dumps(record))
    text = status_text(status(root), most=5)
    assert "and 27 more" in text
    assert text.count("(logs/") == 5


def test_the_work_left_is_said_with_the_pace_of_a_living_run(root, monkeypatch):
    record = json.loads((root / FILE).read_text())
    record["jobs"] += [["register", "identity/d/001", 8], ["register", "other/d/000", 2]]
    (root / FILE).write_text(json.dumps(record))
    sentence = "About 5.0 min of work left{}, and 3 jobs of rules that have not finished one."
    assert sentence.format("") in status_text(status(root), most=5)
    monkeypatch.setattr("promptreg.status.is_running", lambda folder: True)
    assert re.search(sentence.format(r", .+ at \d+\.\d jobs at once"), status_text(status(root), most=5))


def test_a_status_of_ten_thousand_jobs_takes_seconds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leave_record(tmp_path, [Job("evaluate", f"m/d/{n:05d}") for n in range(10_000)])
    started = time.perf_counter()
    assert len(status(tmp_path).found) == 10_000
    assert time.perf_counter() - started < 10
