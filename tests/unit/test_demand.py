import inspect

import pytest

from promptreg.demand import gpus
from promptreg.plan import Plan
from promptreg.registry import BASELINES


def planned(**changes):
    """The plan of the embedded benchmark with changes to its configuration."""
    return Plan({"methods": ["niftyreg", "convexadam", "promptreg"], **changes})


STAGES = (
    *(("embed", "blend"), ("search", "promptreg"), ("fit", "promptreg")),
    *(("register", "convexadam"), ("train", ""), ("learn", "")),
)


@pytest.mark.parametrize(("stage", "name"), STAGES)
def test_a_stage_that_can_use_a_gpu_asks_for_one(stage, name):
    assert gpus(planned(), stage, name) == 1


@pytest.mark.parametrize(("stage", "name"), STAGES)
def test_a_stage_that_is_configured_for_the_cpu_asks_for_none(stage, name):
    section = {"search": "embed", "register": "baselines"}.get(stage, stage)
    assert gpus(planned(**{section: {"device": "cpu"}}), stage, name) == 0


def test_a_variant_of_its_own_device_is_asked_for_by_its_own_name():
    plan = planned(
        variants={"promptreg": {"fit": {"device": "cpu"}}, "other": {}}, methods=["promptreg", "other"]
    )
    assert [gpus(plan, "fit", name) for name in ("promptreg", "other")] == [0, 1]


def test_an_external_tool_of_the_cpu_asks_for_none():
    assert gpus(planned(), "register", "niftyreg") == 0


@pytest.mark.parametrize("name", [one for one, entry in BASELINES.items() if entry.environment is None])
def test_a_method_asks_for_a_gpu_if_it_heeds_the_device_of_its_settings(name):
    entry = BASELINES[name]
    assert entry.accelerated == ("settings.device" in inspect.getsource(inspect.getmodule(entry.load())))
