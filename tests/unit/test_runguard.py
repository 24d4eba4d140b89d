import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from promptreg import runguard

HOLD = """
import sys, time
from promptreg import runguard
print(getattr(runguard, sys.argv[1])(sys.argv[2]), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def released():
    """Drop this process's locks after each test, as its end would."""
    held = list(runguard._held)
    yield
    for descriptor in runguard._held[len(held) :]:
        os.close(descriptor)
    runguard._held[:] = held


@pytest.fixture
def folder(tmp_path):
    """A folder as a killed run leaves it."""
    (tmp_path / "locks").mkdir()
    for name in ("0.input.lock", "0.output.lock"):
        (tmp_path / "locks" / name).touch()
    (tmp_path / "locks" / "other.txt").touch()
    return tmp_path


def locks(folder):
    return sorted(one.name for one in (folder / "locks").glob("*.lock"))


def test_the_locks_of_a_dead_run_are_cleared_and_nothing_else(folder):
    assert runguard.clear_stale_locks(folder)
    assert locks(folder) == []
    assert (folder / "locks" / "other.txt").exists()


def test_a_first_run_in_a_new_folder_needs_nothing(tmp_path):
    assert runguard.clear_stale_locks(tmp_path / "new" / ".snakemake")


@contextmanager
def other_process(function, folder):
    """A process that has called a function of this module and lives on until it is killed; what it said."""
    command = [sys.executable, "-c", HOLD, function, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_the_locks_of_a_living_run_stay_until_it_is_killed(folder):
    with other_process("clear_stale_locks", folder) as said:
        assert said == "True"
        (folder / "locks" / "1.input.lock").touch()
        assert not runguard.clear_stale_locks(folder)
        assert locks(folder) == ["1.input.lock"]
        os.close(runguard._held.pop())
    assert runguard.clear_stale_locks(folder)
    assert locks(folder) == []


def test_a_second_run_beside_a_living_one_keeps_a_third_from_clearing(folder):
    first = runguard.clear_stale_locks(folder)
    (folder / "locks" / "1.input.lock").touch()
    second = runguard.clear_stale_locks(folder)
    os.close(runguard._held.pop(-2))
    third = runguard.clear_stale_locks(folder)
    assert (first, second, third) == (True, False, False)
    assert locks(folder) == ["1.input.lock"]


def test_results_have_one_run_at_a_time_wherever_it_is_started(tmp_path):
    assert not runguard.is_running(tmp_path)
    with other_process("hold_results", tmp_path / "results"):
        assert runguard.is_running(tmp_path / "results")
        with pytest.raises(RuntimeError, match=r"another run writes into .*/results: wait for its end"):
            runguard.hold_results(tmp_path / "results")
        assert runguard.is_running(tmp_path / "results")
    assert not runguard.is_running(tmp_path / "results")
    runguard.hold_results(tmp_path / "results")
    assert runguard.is_running(tmp_path / "results")
