import re

import pytest
from tiny_checkpoints import publish, row, unpublished

from promptreg import registry
from promptreg.checkpoint_table import find, table
from promptreg.entry import Entry
from promptreg.models_page import models_page

ENTRY = Entry(
    "mine",
    "m:M",
    "a | model",
    dims=(3,),
    citation="Me, 2020",
    supervision="pretrained elsewhere",
    checkpoint="tiny",
    trained_on="scans",
    caveats="slow",
    prompts="points +",
    point_trained=False,
    parameters_m=4.5,
    seen=("CHAOS", "BTCV"),
)


@pytest.fixture
def lines(tmp_path, monkeypatch):
    publish(tmp_path, monkeypatch, row(accept="gated"), unpublished(name="open", file="open.pt"))
    return models_page({"mine": ENTRY}, {name: find(name) for name in ("tiny", "open")}).splitlines()


def test_a_model_has_a_row_with_all_that_is_registered(lines):
    expected = r"| `mine` | a \| model | 3D | points + | **no** | 4.5 | scans | `tiny` |"
    assert expected in lines


def test_caveats_data_seen_and_source_stand_beneath(lines):
    assert "- `mine`: slow. Seen in training: CHAOS, BTCV. Me, 2020." in lines


def test_weights_have_a_row_with_size_licence_and_address(lines):
    address = "<http://127.0.0.1:9/tiny.pth>"
    assert f"| `tiny` | `tiny.pth` | 0 | CC0, **gated** | nothing | {address} |" in lines
    assert f"| `open` | `open.pt` | unknown | CC0 | nothing | {address} |" in lines


def test_a_model_without_training_is_neither_trained_with_points_nor_without():
    text = models_page({"free": Entry("free", "m:M", "s")}, {})
    assert "| `free` | s | 2D, 3D | points +/- | – | – | nothing | none |" in text
    assert "- `free`" not in text


def test_the_page_of_the_project_names_every_model_and_all_weights_and_links_to_the_example():
    text = models_page(registry.MODELS, table())
    for name in [*registry.MODELS, *table()]:
        assert f"| `{name}` |" in text
    assert "examples/my_model.py" in text
    assert not re.search(r"[{}]{2}", text)
