import numpy as np
import pytest
import torch
from monai.networks.nets import vista3d132
from monai.transforms import ScaleIntensityRange
from small_vista3d import CHANNELS, KNOWN_CLASSES, SIDE, small_vista3d
from torch.nn.functional import avg_pool3d

from promptreg import checkpoints
from promptreg.geometry import cell_indices, default_affine, index_to_world, sample
from promptreg.models.vista3d import HOUNSFIELD, Vista3d, Vista3d132, click_logits, prepared, present_keys
from promptreg.types import Grid, Image

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)
RAS = np.diag([-1.5, -1.5, 1.5, 1.0])
"""Affine of an array whose axes run to the right, to the front and up, at the encoder's own spacing."""

NOVEL = KNOWN_CLASSES + 1
"""A class that the network does not know."""


@pytest.fixture(scope="module")
def model():
    return Vista3d(small_vista3d(), name="small", side=SIDE)


def smooth(shape, *, seed=0):
    coarse = torch.randn(1, 1, 5, 5, 5, generator=torch.Generator().manual_seed(seed))
    return 40 + 300 * torch.nn.functional.interpolate(coarse, shape, mode="trilinear")[0, 0]


def encoded(model, shape, affine, *, seed=0):
    return model.embed(Image(smooth(shape, seed=seed)[None], Grid(shape, affine), "volume"))


@pytest.mark.parametrize("labels", [[[1], [1]], [[1, 0], [1, 1]]])
def test_masks_are_those_of_the_published_network(model, labels):
    shape, labels = (SIDE,) * 3, torch.tensor(labels)
    clicks = torch.tensor([[[5.0, 20, 11], [25, 3, 9]], [[30, 2, 17], [8, 8, 24]]])[:, : labels.shape[1]]
    cube = smooth(shape)
    low, high = HOUNSFIELD
    with torch.no_grad():
        expected = model.net(
            ((cube - low) / (high - low)).clamp(0, 1)[None, None],
            point_coords=clicks,
            point_labels=labels,
            prompt_class=torch.full((2, 1), NOVEL),
        )
    embedding = model.embed(Image(cube[None], Grid(shape, RAS)))
    found = model.decode(embedding, clicks, labels)
    torch.testing.assert_close(found.logits, avg_pool3d(expected, 2), atol=1e-4, rtol=1e-4)
    assert found.logits.std(0).max() > 1
    assert not found.scores.any()


def test_features_are_what_the_published_click_head_begins_with(model):
    shape = (SIDE,) * 3
    volume = Image(smooth(shape)[None], Grid(shape, RAS))
    with torch.no_grad():
        outputs, _ = model.net.image_encoder(prepared(volume, volume.grid)[None, None])
        expected = model.net.point_head.feat_downsample(outputs)[0]
    torch.testing.assert_close(model.embed(volume).features, expected, atol=1e-4, rtol=1e-4)


def test_intensities_are_scaled_as_the_published_bundle_scales_them():
    hounsfield = torch.tensor([-2000.0, -963.8247715525971, -800, 40, 300, 3000]).reshape(1, 6, 1, 1)
    grid = Grid((6, 1, 1), RAS)
    scale = ScaleIntensityRange(-963.8247715525971, 1053.678477684517, 0, 1, clip=True)
    found = prepared(Image(hounsfield, grid), grid)
    torch.testing.assert_close(found, torch.as_tensor(np.asarray(scale(hounsfield[0]))))
    golden = torch.tensor([0.0, 0.0, 0.0812, 0.4976, 0.6264, 1.0])
    torch.testing.assert_close(found.flatten(), golden, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("shape", "affine"), [((8, 40, 52), OBLIQUE), ((30, 20, 60), default_affine(3))])
def test_the_voxel_under_a_click_is_the_one_that_the_network_sees_there(model, monkeypatch, shape, affine):
    """A ramp tells where in the world a voxel lies; clicks are anywhere, several cubes cover the volume."""
    grid = Grid(shape, affine)
    slope = torch.tensor([0.9, -1.7, 2.3])
    ramp = (index_to_world(grid, cell_indices(shape)) * slope).sum(-1)
    clicks = 1 + torch.rand(20, 1, 3, generator=torch.Generator().manual_seed(0)) * (torch.tensor(shape) - 3)
    cubes, seen = [], []

    def numbered(cube):
        cubes.append(cube[0, 0])
        return torch.full((1, CHANNELS, *(n // 2 for n in cube.shape[2:])), len(cubes) - 1.0)

    def spied(head, cells, points, labels):
        seen.extend((int(cell[0, 0, 0, 0]), point[0]) for cell, point in zip(cells, points, strict=True))
        return cells.new_zeros(len(cells), 1, SIDE, SIDE, SIDE)

    monkeypatch.setattr(model, "_encode", numbered)
    monkeypatch.setattr("promptreg.models.vista3d.click_logits", spied)
    embedding = model.embed(Image(ramp[None], grid))
    model.decode(embedding, clicks, torch.ones(20, 1, dtype=torch.long))
    assert len(cubes) > 1
    low, high = HOUNSFIELD
    found = torch.stack([sample(cubes[number][None], point)[0] for number, point in seen])
    expected = (index_to_world(grid, clicks[:, 0]) * slope).sum(-1)
    torch.testing.assert_close(low + (high - low) * found, expected, atol=1e-2, rtol=0)


def test_derivatives_with_respect_to_clicks_agree_with_differences():
    head = small_vista3d().double().point_head
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(1, CHANNELS, 8, 8, 8, dtype=torch.float64, generator=generator)
    points = torch.tensor([[[12.3, 9, 14], [10, 6.2, 2]]], dtype=torch.float64)
    tangent = torch.randn(points.shape, dtype=torch.float64, generator=generator)

    def mass(p):
        return click_logits(head, cells, p, torch.tensor([[1, 0]])).tanh().sum()

    slope = torch.func.jvp(mass, (points,), (tangent,))[1]
    difference = (mass(points + 1e-5 * tangent) - mass(points - 1e-5 * tangent)) / 2e-5
    assert slope.abs() > 1
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=0)


def test_prompts_of_different_lengths_come_back_in_their_order(model):
    embedding = encoded(model, (20, 24, 28), RAS)
    points = torch.tensor([[[5.0, 9, 11], [12, 3, 9]], [[14, 2, 17], [8, 8, 24]], [[9, 9, 9], [1, 2, 3]]])
    labels = torch.tensor([[1, 0], [1, -1], [0, 1]])
    together = model.decode(embedding, points, labels).logits
    for row in range(3):
        alone = model.decode(embedding, points[[row]], labels[[row]]).logits
        torch.testing.assert_close(together[[row]], alone, atol=1e-4, rtol=1e-4)


def test_a_planar_image_is_refused_with_its_name(model):
    with pytest.raises(ValueError, match="histology"):
        model.embed(Image(torch.zeros(1, 8, 8), Grid((8, 8), default_affine(2)), "histology"))


def test_the_published_network_has_218_million_parameters():
    with torch.device("meta"):
        net = vista3d132()
    assert round(sum(one.numel() for one in net.parameters()) / 1e6, 1) == 218.0


def old_keys(net):
    """The state dict as the research code for MONAI 1.3 saves it."""
    renamed = {
        key.replace("mlp.linear1", "mlp.lin1").replace("mlp.linear2", "mlp.lin2"): value
        for key, value in net.state_dict().items()
    }
    heads = (f"point_head.output_add_hypernetworks_mlps.{i}.layers.{j}" for i in (0, 1) for j in range(3))
    return renamed | {f"{head}.{kind}": torch.ones(1) for head in heads for kind in ("weight", "bias")}


@pytest.mark.parametrize("layout", [old_keys, lambda net: net.state_dict()], ids=["MONAI 1.3", "MONAI 1.4"])
def test_both_published_layouts_are_loaded(monkeypatch, layout):
    published = small_vista3d(seed=1)
    monkeypatch.setattr("monai.networks.nets.vista3d132", small_vista3d)
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: layout(published))
    loaded = Vista3d132().net.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in published.state_dict().items())


def test_the_old_layout_differs_from_the_new_one():
    net = small_vista3d()
    assert old_keys(net).keys() != net.state_dict().keys() == present_keys(old_keys(net)).keys()


def test_a_state_dict_with_other_keys_is_refused(monkeypatch):
    monkeypatch.setattr("monai.networks.nets.vista3d132", small_vista3d)
    state = small_vista3d().state_dict()
    state["point_head.extra"] = state.pop("point_head.zeroshot_embed.weight")
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)
    with pytest.raises(ValueError, match=r"zeroshot_embed(.|\n)*point_head\.extra"):
        Vista3d132()


def test_absent_weights_are_an_error_that_names_command_and_licence(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="promptreg weights fetch vista3d --accept-licence"):
        Vista3d132()
