"""A pair that fails is written with its reason; what ends a job ends it."""

import errno

import numpy as np
import pytest
import torch

from promptreg.baselines.base import BaselineUnavailable
from promptreg.provenance import Signature
from promptreg.stages.attempt import attempt_each
from promptreg.stages.inputs import NoResult
from promptreg.store import StoreError, create, open_store
from promptreg.trust import OtherFile


def attempted(tmp_path, work, **settings):
    with create(tmp_path / "s.zarr", Signature("ddf", {})) as writer:
        attempt_each(writer, "fit", ["a", "b"], work, **settings)
    return open_store(tmp_path / "s.zarr")


def test_one_failure_is_written_with_its_reason_and_the_others_go_on(tmp_path):
    def work(name):
        if name == "a":
            raise ZeroDivisionError("no area")
        return {"x": (("n",), np.arange(2))}, {"seconds": {"embed": 1.5}, "peak_memory_mb": 1e9}

    store = attempted(tmp_path, work)
    assert store.attrs("a") == {"status": "failed", "reason": "fit: ZeroDivisionError: no area"}
    attrs = store.attrs("b")
    assert attrs["status"] == "ok"
    assert attrs["seconds"]["embed"] == 1.5
    assert attrs["seconds"]["fit"] >= 0
    assert attrs["peak_memory_mb"] == 1e9


def test_operations_are_counted_only_if_asked_and_added_to_those_of_earlier_stages(tmp_path):
    def work(name):
        torch.ones(3, 4) @ torch.ones(4, 5) if name == "b" else None
        return {"x": (("n",), np.arange(2))}, {"flops": {"embed": 7} if name == "b" else {}}

    store = attempted(tmp_path / "counted", work, count_flops=True)
    assert store.attrs("b")["flops"] == {"fit": 2 * 3 * 4 * 5, "embed": 7}
    assert "flops" not in store.attrs("a")
    assert attempted(tmp_path / "not", work).attrs("b")["flops"] == {"embed": 7}


def test_an_unavailable_tool_is_not_run_and_an_earlier_status_is_kept(tmp_path):
    def work(name):
        raise BaselineUnavailable("no binary") if name == "a" else NoResult("not run", "no weights")

    store = attempted(tmp_path, work)
    assert store.attrs("a") == {"status": "not run", "reason": "no binary"}
    assert store.attrs("b") == {"status": "not run", "reason": "no weights"}


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full"), StoreError("damaged"), OtherFile("other weights"), KeyboardInterrupt()],
)
def test_a_full_disk_a_damaged_file_and_an_interruption_end_the_job(tmp_path, error):
    def work(name):
        raise error

    with pytest.raises(type(error)):
        attempted(tmp_path, work)
    assert list(tmp_path.iterdir()) == []
