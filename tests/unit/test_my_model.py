"""The example of the manual is a model: it keeps the contract and registers a pair."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest
import torch

import promptreg
from promptreg import registry
from promptreg.entry import Entry
from promptreg.geometry import default_affine
from promptreg.settings import load
from promptreg.types import Grid, Image

ROOT = Path(__file__).parents[2]
ENTRY = Entry("regions", "my_model:Regions", "regions of like intensity, grown from clicks")


sys.path.insert(0, str(ROOT / "tests" / "contract"))
CONTRACT = importlib.import_module("test_models")
GIVEN = {"case", "model", "scene", "embedding"}
CHECKS = [
    name
    for name, check in vars(CONTRACT).items()
    if name.startswith("test_") and set(inspect.signature(check).parameters) <= GIVEN
]


@pytest.fixture
def model(monkeypatch):
    """The example's class, registered and built as any other model."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    monkeypatch.setitem(registry.MODELS, "regions", ENTRY)
    return registry.find("model", "regions").load()()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("check", CHECKS)
def test_the_example_keeps_the_contract(model, check, ndim):
    scene = CONTRACT.bright_box(ndim)
    given = {
        "case": CONTRACT.Case("regions", ndim),
        "model": model,
        "scene": scene,
        "embedding": model.embed(scene[0]),
    }
    run = getattr(CONTRACT, check)
    run(**{name: given[name] for name in inspect.signature(run).parameters})


def test_many_checks_of_the_contract_are_run():
    assert len(CHECKS) >= 12


def test_the_example_registers_a_shifted_pair(model):
    data = torch.zeros(1, 40, 40)
    for number, (row, column) in enumerate(((8, 9), (10, 28), (27, 12), (28, 29)), start=1):
        data[0, row - 4 : row + 4, column - 3 : column + 3] = 60.0 * number
    grid = Grid((40, 40), default_affine(2), "px")
    settings = {
        "methods": ["mine"],
        "prealign": "none",
        "embed": {"model": "regions", "views": {"count": 1}, "device": "cpu"},
        "search": {"affine_prior": False, "auxiliary": {"enabled": False}},
        "fit": {
            "device": "cpu",
            "parametrization": "affine",
            "start": "translation",
            "iterations": 5,
            "levels": 1,
        },
        "variants": {"mine": {}},
    }
    result = promptreg.register(
        Image(data, grid, "m"),
        Image(data.roll((3, -2), (1, 2)), grid, "f"),
        prompts=["9,8", "28,10", "12,27", "29,28"],
        variant="mine",
        config=load(settings),
    )
    inner = result.ddf.displacement[:, 8:-8, 8:-8].flatten(1)
    assert (inner - torch.tensor([[2.0], [-3.0]])).norm(dim=0).median() < 0.7
