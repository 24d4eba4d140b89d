import csv

import pytest
import torch
from tiny_training import tiny_config

from promptreg.training import loop
from promptreg.training.log import COLUMNS

CPU = torch.device("cpu")


class StoppedError(Exception):
    """Ends a run in the middle, as a killed process would."""


def rows(folder):
    with (folder / loop.LOG).open(newline="") as stream:
        return list(csv.DictReader(stream))


def stop_before(monkeypatch, step):
    """Let the draw of a step fail."""
    draw = loop._draw

    def stopping(config, number, *others):
        if number == step:
            raise StoppedError
        return draw(config, number, *others)

    monkeypatch.setattr(loop, "_draw", stopping)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run from its beginning to its end, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return loop.train(tiny_config(), folder, device=CPU), folder


def test_a_run_ends_after_its_steps_and_leaves_log_and_checkpoint(whole):
    state, folder = whole
    assert state.step == 6
    assert state.n_images == 12
    assert sorted(one.name for one in folder.iterdir()) == [loop.CHECKPOINT, loop.LOG]


def test_the_log_has_losses_and_at_validations_measures(whole):
    found = rows(whole[1])
    assert tuple(found[0]) == COLUMNS
    assert [int(row["step"]) for row in found] == [2, 3, 4, 6, 6]
    assert [row["best_of_3"] != "" for row in found] == [False, True, False, True, True]
    assert [row["side"] for row in found] == ["32", "32", "32", "48", "48"]


def test_a_resumed_run_goes_on_bit_for_bit(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        stop_before(patched, 3)
        with pytest.raises(StoppedError):
            loop.train(tiny_config(), tmp_path, device=CPU)
    state = loop.train(tiny_config(), tmp_path, device=CPU, resume=True)
    for one, other in ((state.trained, whole[0].trained), (state.average, whole[0].average)):
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(a, b)
    measured = [[row["step"], row["best_of_3"]] for row in rows(tmp_path)]
    assert measured == [[row["step"], row["best_of_3"]] for row in rows(whole[1])]


def test_a_folder_with_a_run_is_not_overwritten(whole):
    with pytest.raises(ValueError, match="resume that run"):
        loop.train(tiny_config(), whole[1], device=CPU)


def test_a_budget_of_wall_time_ends_a_run(tmp_path):
    state = loop.train(tiny_config(steps=None, minutes=0.02), tmp_path, device=CPU)
    assert state.step >= 1
    assert state.seconds >= 1.0
