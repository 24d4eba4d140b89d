import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from promptreg.overlapped import overlapped
from promptreg.provenance import Signature
from promptreg.store import DATA, Writer, create, open_store

MADE = Signature("embeddings", {"model": "toy"}, {"images": "abc"}, "c0de")
N_GROUPS = 5


def variables(number):
    return {"features": (("c", "y", "x"), np.full((2, 3, 4), number, np.float16))}


class Slow(Writer):
    """Writes only while it is allowed to; keeps the order of what it has begun."""

    def __init__(self):
        self.allowed = threading.Event()
        self.begun, self.error = [], None

    def put(self, group, variables, /, **attrs):
        self.begun.append(group)
        assert self.allowed.wait(10)
        if self.error is not None:
            raise self.error


def fill(writer):
    for number in range(N_GROUPS):
        writer.put(f"view{number}", variables(number), view=number)
    writer.fail("absent", "read: FileNotFoundError")


def test_a_store_written_behind_is_the_one_that_is_written_at_once(tmp_path):
    with create(tmp_path / "one.zarr", MADE) as writer:
        fill(writer)
    with create(tmp_path / "two.zarr", MADE) as writer, overlapped(writer) as behind:
        fill(behind)
    files = [
        {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}
        for root in (tmp_path / "one.zarr", tmp_path / "two.zarr")
    ]
    assert files[0] == files[1]
    assert open_store(tmp_path / "two.zarr").attrs("absent")["status"] == "failed"


def test_the_caller_goes_on_while_a_group_is_written_until_one_more_waits():
    slow, handed = Slow(), []
    with overlapped(slow) as behind:

        def hand():
            for number in range(4):
                behind.put(f"view{number}", {})
                handed.append(number)

        caller = threading.Thread(target=hand)
        caller.start()
        time.sleep(0.2)
        assert slow.begun == ["view0"]
        assert handed == [0, 1]
        slow.allowed.set()
        caller.join(10)
    assert slow.begun == [f"view{number}" for number in range(4)]


def test_everything_is_written_when_the_block_is_left():
    slow = Slow()
    threading.Timer(0.2, slow.allowed.set).start()
    with overlapped(slow, waiting=3) as behind:
        for number in range(3):
            behind.put(f"view{number}", {})
    assert len(slow.begun) == 3


def test_an_error_of_writing_is_raised_by_the_next_group_and_nothing_more_is_written():
    slow = Slow()
    slow.error = OSError(28, "no space left on device")
    slow.allowed.set()

    def writing():
        with overlapped(slow) as behind:
            behind.put("first", {})
            time.sleep(0.2)
            behind.put("second", {})

    with pytest.raises(OSError, match="no space left"):
        writing()
    assert slow.begun == ["first"]


def test_an_error_in_the_last_group_leaves_no_store(tmp_path):
    def writing():
        with create(tmp_path / "s.zarr", MADE) as writer, overlapped(writer) as behind:
            behind.put("first", variables(1))
            behind.put("last", {}, grid=object())

    with pytest.raises(TypeError):
        writing()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_computing_abandons_what_waits_and_leaves_no_store(tmp_path):
    def writing():
        with create(tmp_path / "s.zarr", MADE) as writer, overlapped(writer) as behind:
            for number in range(N_GROUPS):
                behind.put(f"view{number}", variables(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing()
    assert list(tmp_path.iterdir()) == []
    assert not [one for one in threading.enumerate() if one.name == "store writer"]


ENDLESS = """
import itertools, sys
import numpy as np
from promptreg.overlapped import overlapped
from promptreg.provenance import Signature
from promptreg.store import create

made = Signature("embeddings", {"model": "toy"}, {"images": "abc"}, "c0de")
with create(sys.argv[1], made) as writer, overlapped(writer) as behind:
    for number in itertools.count():
        behind.put(f"view{number}", {"features": (("c", "y"), np.ones((64, 4096), np.float16))})
"""


def halfway(folder):
    """Whether a store that is being written holds two of its groups."""
    return any(one.stat().st_size > 2**20 for one in folder.glob(f".s.zarr.*.partial/{DATA}"))


def test_a_kill_in_the_middle_of_writing_leaves_no_store_and_the_next_run_completes_it(tmp_path):
    path = tmp_path / "s.zarr"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not halfway(tmp_path):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert halfway(tmp_path)
    assert not path.exists()
    with create(path, MADE) as writer, overlapped(writer) as behind:
        fill(behind)
    assert list(tmp_path.iterdir()) == [path]
    assert open_store(path).groups == ["absent", *(f"view{number}" for number in range(N_GROUPS))]
