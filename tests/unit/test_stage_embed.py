import logging
from typing import ClassVar

import numpy as np
import torch
from small_sam import small_sam
from toy_model import ToyModel

from promptreg import registry
from promptreg.config import Views
from promptreg.geometry import default_affine
from promptreg.models.sam import SegmentAnything
from promptreg.models.slicewise import Slicewise
from promptreg.provenance import Signature
from promptreg.stages import embed
from promptreg.stages.inputs import grid_record, image_variables
from promptreg.store import create, open_store
from promptreg.types import Grid, Image
from promptreg.views import turned_views, view_image

SHAPE, N_VIEWS = (40, 48), 5
SAM = small_sam()


class Batching(Slicewise):
    """Counts how many images are encoded at a time."""

    sizes: ClassVar[list[int]] = []
    compiled = 0

    def __init__(self):
        super().__init__(SegmentAnything(SAM))
        stack = self.planar.embed_stack
        self.planar.embed_stack = lambda some, grid: self.sizes.append(len(some)) or stack(some, grid)

    def compile_encoder(self):
        type(self).compiled += 1
        return True


class Failing(ToyModel):
    """Takes no image that was flipped."""

    def __init__(self):
        super().__init__(2)

    def embed(self, image):
        if np.linalg.det(image.grid.affine[:2, :2]) < 0:
            raise ValueError("a flipped image")
        return super().embed(image)

    def embed_all(self, images):
        return [self.embed(image) for image in images]


def picture(name="p"):
    data = 90 * torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(len(name)))
    return Image(data, Grid(SHAPE, default_affine(2)), name)


def run(tmp_path, monkeypatch, model, *, kind="view", **embedding):
    """Embed views 0 to 4, or turns 1 to 4, of two images with a class of models; return the store."""
    monkeypatch.setattr(registry.Entry, "load", lambda self: model)
    images = tmp_path / "images.zarr"
    with create(images, Signature("images", {}, {}, "code")) as writer:
        for name in ("p", "pp"):
            image = picture(name)
            writer.put(name, image_variables(image), grid=grid_record(image.grid))
    settings = {"model": "weightfree", "dtype": "float32", "device": "cpu", **embedding}
    job = {
        "embed": settings,
        "images": ["p", "pp"],
        "first": {"view": 0, "turn": 1}[kind],
        "last": N_VIEWS,
        "kind": kind,
        "dataset": "d",
        "seed": 0,
        "code": "code",
    }
    embed.run(job, [str(images)], str(tmp_path / "e.zarr"))
    return open_store(tmp_path / "e.zarr", "embeddings")


def views(name):
    image = picture(name)
    drawn = embed.image_views(image, Views(), N_VIEWS, "d", 0)
    return [view_image(image, view) for view in drawn]


def test_the_views_of_an_image_are_encoded_together_and_stored_as_if_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Batching, "sizes", [])
    store = run(tmp_path, monkeypatch, Batching)
    assert sum(Batching.sizes) == 2 * N_VIEWS
    assert len(Batching.sizes) < 2 * N_VIEWS
    model = SegmentAnything(SAM)
    for name in ("p", "pp"):
        for number, image in enumerate(views(name)):
            found, expected = store.get(f"{name}.view{number}"), model.embed(image)
            np.testing.assert_allclose(found["features"], expected.features, atol=1e-5, rtol=1e-5)
            np.testing.assert_allclose(found["right"], expected.extras["right"], atol=1e-5, rtol=1e-5)
            affine = found.attrs["grids"]["feature"]["affine"]
            np.testing.assert_allclose(affine, expected.feature_grid.affine, atol=1e-10)
            assert found.attrs["seconds"]["embed"] > 0


def test_turns_are_stored_without_what_only_decoding_needs(tmp_path, monkeypatch):
    store = run(tmp_path, monkeypatch, Batching, kind="turn", views={"turns": N_VIEWS})
    assert store.groups == [f"{name}.turn{number}" for name in ("p", "pp") for number in range(1, N_VIEWS)]
    found, turn = store.get("pp.turn2"), turned_views(picture("pp").grid, Views(turns=N_VIEWS))[2]
    assert found.attrs["view"] == turn.record
    assert set(found.data_vars) == {"features"}
    expected = SegmentAnything(SAM).embed(view_image(picture("pp"), turn))
    np.testing.assert_allclose(found["features"], expected.features, atol=1e-5, rtol=1e-5)


def test_a_view_that_cannot_be_embedded_fails_alone(tmp_path, monkeypatch, caplog):
    with caplog.at_level(logging.CRITICAL, "promptreg"):
        store = run(tmp_path, monkeypatch, Failing)
    statuses = {group: store.attrs(group)["status"] for group in store.groups}
    flipped = {
        f"{name}.view{number}"
        for name in ("p", "pp")
        for number, image in enumerate(views(name))
        if np.linalg.det(image.grid.affine[:2, :2]) < 0
    }
    assert flipped
    assert {group for group, status in statuses.items() if status == "failed"} == flipped
    assert all("a flipped image" in store.attrs(group)["reason"] for group in flipped)


def test_the_encoder_is_compiled_once_where_the_settings_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(Batching, "compiled", 0)
    run(tmp_path, monkeypatch, Batching)
    assert Batching.compiled == 0
    run(tmp_path / "again", monkeypatch, Batching, compile=True)
    assert Batching.compiled == 1


def test_a_model_that_cannot_be_compiled_is_used_as_it_is_with_a_warning(tmp_path, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING, "promptreg"):
        store = run(tmp_path, monkeypatch, lambda: ToyModel(2), compile=True)
    assert "no encoder to compile" in caplog.text
    assert {store.attrs(group)["status"] for group in store.groups} == {"ok"}


def test_an_image_is_read_once_for_all_its_views(tmp_path, monkeypatch):
    read = []
    original = embed.Inputs.image
    monkeypatch.setattr(
        embed.Inputs, "image", lambda self, group: read.append(group) or original(self, group)
    )
    run(tmp_path, monkeypatch, lambda: ToyModel(2))
    assert read == ["p", "pp"]
