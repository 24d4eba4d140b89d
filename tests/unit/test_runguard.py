import os
import signal
import subprocess
import sys

import pytest

from promptreg import runguard

HOLD = """
import sys, time
from promptreg.runguard import clear_stale_locks
print(clear_stale_locks(sys.argv[1]), flush=True)
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


def test_the_locks_of_a_living_run_stay_until_it_is_killed(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "True"
        (folder / "locks" / "1.input.lock").touch()
        assert not runguard.clear_stale_locks(folder)
        assert locks(folder) == ["1.input.lock"]
        os.close(runguard._held.pop())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
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
