import numpy as np
import pytest
import torch
from small_med3d import SMALL, reference_med3d, small_med3d

from promptreg import checkpoints
from promptreg.geometry import cell_indices, default_affine, index_to_world, sample
from promptreg.models.sam_med3d import SamMed3d, SamMed3dTurbo, prepared, standardized
from promptreg.types import Grid, Image

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)
RAS = np.diag([-1.5, -1.5, 1.5, 1.0])
"""Affine of an array whose axes run to the right, to the front and up, at the encoder's own spacing."""


@pytest.fixture(scope="module")
def model():
    return SamMed3d(small_med3d(), name="small")


def smooth(shape, *, seed=0):
    coarse = torch.randn(1, 1, 5, 5, 5, generator=torch.Generator().manual_seed(seed))
    return 100 + 60 * torch.nn.functional.interpolate(coarse, shape, mode="trilinear")[0, 0]


def encoded(model, shape, affine, *, seed=0):
    return model.embed(Image(smooth(shape, seed=seed)[None], Grid(shape, affine), "volume"))


def test_clicks_one_after_another_give_the_masks_of_the_published_protocol(model):
    shape, clicks, labels = (32, 32, 32), torch.tensor([[[5.0, 20, 11], [25, 3, 9]]]), torch.tensor([[1, 0]])
    reference = reference_med3d()
    reference.load_state_dict(model.net.state_dict(), strict=True)
    cube = smooth(shape)
    above = cube[cube > 0]
    with torch.no_grad():
        cells = reference.image_encoder(((cube - above.mean()) / above.std())[None, None])
        expected = torch.zeros(1, 1, *shape)
        for i in range(2):
            tokens, dense = reference.prompt_encoder((clicks[:, [i]], labels[:, [i]]), None, expected)
            expected, _ = reference.mask_decoder(
                cells, reference.prompt_encoder.get_dense_pe(), tokens, dense, multimask_output=False
            )
    embedding = model.embed(Image(cube[None], Grid(shape, RAS)))
    torch.testing.assert_close(embedding.features, cells[0], atol=1e-4, rtol=1e-4)
    found = model.decode(embedding, clicks, labels)
    torch.testing.assert_close(found.logits, expected, atol=1e-4, rtol=1e-4)
    assert not found.scores.any()


def test_the_intensities_of_a_cube_are_the_published_ones():
    hounsfield = torch.tensor([-2000.0, -800.0, 40.0, 80.0, 300.0, 3000.0]).reshape(1, 6, 1, 1)
    grid = Grid((6, 1, 1), RAS)
    clipped = torch.tensor([-1000.0, -800.0, 40.0, 80.0, 300.0, 1000.0])
    found = prepared(Image(hounsfield, grid), grid).flatten()
    torch.testing.assert_close(found, clipped)
    above = np.array([40.0, 80.0, 300.0, 1000.0])
    expected = (clipped.numpy() - above.mean()) / above.std(ddof=1)
    np.testing.assert_allclose(standardized(found), expected, rtol=1e-5)


def test_a_volume_without_air_is_not_clipped():
    grid = Grid((3, 1, 1), RAS)
    values = torch.tensor([-100.0, 0.0, 4000.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(prepared(Image(values, grid), grid), values[0])


@pytest.mark.parametrize("value", [0.0, -3.0, 5.0])
def test_a_constant_cube_becomes_zero(value):
    assert (standardized(torch.full((2, 2, 2), value)) == 0).all()


@pytest.mark.parametrize(("shape", "affine"), [((8, 40, 52), OBLIQUE), ((30, 20, 10), default_affine(3))])
def test_the_voxel_under_a_click_is_the_one_that_the_network_sees_there(model, monkeypatch, shape, affine):
    """A ramp tells where in the world a voxel lies; clicks are anywhere, several cubes cover the volume."""
    grid = Grid(shape, affine)
    slope = torch.tensor([0.9, -1.7, 2.3])
    ramp = (index_to_world(grid, cell_indices(shape)) * slope).sum(-1)
    clicks = 1 + torch.rand(20, 1, 3, generator=torch.Generator().manual_seed(0)) * (torch.tensor(shape) - 3)
    cubes, seen = [], []
    monkeypatch.setattr("promptreg.models.sam_med3d.standardized", lambda cube: cubes.append(cube) or cube)
    embedding = model.embed(Image(ramp[None] + 1000, grid))
    marked = torch.arange(len(cubes), dtype=torch.float32)
    tiles = marked.view(-1, 1, 1, 1, 1).expand_as(embedding.extras["tiles"])
    embedding.extras["tiles"] = tiles

    def spied(cells, points, labels, former):
        seen.extend((int(cell[0, 0, 0, 0]), point[0]) for cell, point in zip(cells, points, strict=True))
        return former

    monkeypatch.setattr(model.net, "masks", spied)
    model.decode(embedding, clicks, torch.ones(20, 1, dtype=torch.long))
    found = torch.stack([sample(cubes[number][None], point)[0] for number, point in seen])
    expected = (index_to_world(grid, clicks[:, 0]) * slope).sum(-1) + 1000
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)


def test_derivatives_through_several_clicks_agree_with_differences():
    model = SamMed3d(small_med3d().double(), name="small")
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(1, SMALL.embedding, 8, 8, 8, dtype=torch.float64, generator=generator)
    points = torch.tensor([[[12.0, 9, 14], [10, 16, 20]]], dtype=torch.float64)
    tangent = torch.randn(points.shape, dtype=torch.float64, generator=generator)

    def mass(p):
        return model._one_after_another(cells, p, torch.tensor([[1, 0]])).tanh().sum()

    slope = torch.func.jvp(mass, (points,), (tangent,))[1]
    difference = (mass(points + 1e-5 * tangent) - mass(points - 1e-5 * tangent)) / 2e-5
    assert slope.abs() > 1
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=0)


@pytest.fixture(scope="module")
def several_cubes(model):
    return encoded(model, (20, 20, 60), RAS)


def test_a_click_outside_the_cube_of_the_first_positive_one_is_left_out(model, several_cubes):
    near, far = [10.0, 10.0, 8.0], [10.0, 10.0, 50.0]
    alone = model.decode(several_cubes, torch.tensor([[near]]), torch.tensor([[1]]))
    both = model.decode(several_cubes, torch.tensor([[near, far]]), torch.tensor([[1, 0]]))
    assert torch.equal(alone.logits, both.logits)


def test_the_logits_of_a_mask_lie_in_its_cube_alone(model, several_cubes):
    points, labels = torch.tensor([[[10.0, 10.0, 8.0]]]), torch.ones(1, 1, dtype=torch.long)
    logits = model.decode(several_cubes, points, labels).logits
    reached = (logits[0, 0] != -20).flatten(0, 1).any(0)
    assert reached.any()
    assert not reached[SMALL.side :].any()


def test_a_planar_image_is_refused_with_its_name(model):
    with pytest.raises(ValueError, match="histology"):
        model.embed(Image(torch.zeros(1, 8, 8), Grid((8, 8), default_affine(2)), "histology"))


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="promptreg weights fetch sam_med3d_turbo"):
        SamMed3dTurbo()


def test_a_state_dict_with_other_keys_is_refused(monkeypatch):
    monkeypatch.setattr("promptreg.models.sam_med3d.VolumeSam", small_med3d)
    state = small_med3d().state_dict()
    state["image_encoder.extra"] = state.pop("prompt_encoder.no_mask_embed.weight")
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)
    with pytest.raises(ValueError, match=r"no_mask_embed(.|\n)*image_encoder\.extra"):
        SamMed3dTurbo()
