import pytest
from pydantic import ValidationError

from promptreg.nets.encoder import Architecture
from promptreg.training.config import PRESETS, Sizes, TrainPocket


def test_a_budget_is_given_in_steps_or_in_minutes():
    for both_or_none in ({}, {"steps": 5, "minutes": 5}):
        with pytest.raises(ValidationError, match="either in `steps` or in `minutes`"):
            TrainPocket.model_validate(both_or_none)


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError, match="lerning_rate"):
        TrainPocket.model_validate({"steps": 5, "lerning_rate": 1})


def test_sides_are_multiples_of_sixteen():
    with pytest.raises(ValidationError, match="side"):
        TrainPocket(steps=5, side=100)


def test_the_sizes_are_those_of_the_network():
    assert Architecture(**Sizes().model_dump()) == Architecture()


def test_presets_are_for_one_core_more_of_it_an_accelerator_and_a_check():
    assert set(PRESETS) == {"smoke", "cpu", "more", "gpu"}
    assert PRESETS["cpu"].minutes == 80
    assert PRESETS["gpu"].compiled
