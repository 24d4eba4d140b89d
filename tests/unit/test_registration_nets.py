import pytest
import torch

from promptreg.nets.registration.keymorph import KEYPOINTS, KeyMorphNet, affine, positions, thin_plate
from promptreg.nets.registration.recipes import RECIPES, seeded_net
from promptreg.nets.registration.voxelmorph import blocks_as_channels, scaled

SHAPES = {2: (32, 64), 3: (32, 32, 64)}


def images(ndim, seed=0):
    return torch.rand(2, 1, 1, *SHAPES[ndim], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", RECIPES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_network_gives_a_finite_field_on_the_grid_of_its_images(method, ndim):
    net = seeded_net(method, SHAPES[ndim], 0.125, 1).eval()
    with torch.no_grad():
        field = net(*images(ndim))
    assert field.shape == (1, ndim, *SHAPES[ndim])
    assert field.isfinite().all()


@pytest.mark.parametrize("method", RECIPES)
def test_the_loss_of_a_field_reaches_every_weight(method):
    net = seeded_net(method, SHAPES[2], 0.125, 1).train()
    field = net(*images(2))
    (field * torch.linspace(-1, 1, field.numel()).view_as(field)).sum().backward()
    unreached = {name for name, one in net.named_parameters() if one.grad is None}
    assert unreached == set()


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator():
    before = torch.random.get_rng_state()
    one, two, other = (seeded_net("voxelmorph", SHAPES[2], 0.125, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    first, second, third = (
        torch.nn.utils.parameters_to_vector(net.parameters()) for net in (one, two, other)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_published_sizes_are_those_of_the_references():
    counts = dict.fromkeys(("voxelmorph", "labelreg"), 0.0)
    for name in counts:
        with torch.device("meta"):
            net = RECIPES[name].build((32, 32, 32), 1.0)
        counts[name] = round(sum(one.numel() for one in net.parameters()) / 1e6, 2)
    assert counts == {"voxelmorph": 0.24, "labelreg": 21.91}
    assert scaled(32, 1.0) == 32


def test_positions_count_from_the_middle_in_halves_of_the_longest_side():
    found = positions((2, 4))
    assert found[0, 0].tolist() == [-0.25, -0.75]
    assert found[1, 3].tolist() == [0.25, 0.75]
    assert torch.equal(positions((1, 2), shape=(2, 4)), torch.tensor([[[0.0, -0.5], [0.0, 0.5]]]))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("fit", [affine, thin_plate])
def test_both_closed_forms_return_an_affine_map_exactly(fit, ndim):
    draws = torch.Generator().manual_seed(1)
    fixed = 2 * torch.rand(1, 64, ndim, generator=draws) - 1
    slope = torch.eye(ndim) + 0.2 * torch.randn(ndim, ndim, generator=draws)
    shift = torch.tensor([0.3, -0.2, 0.1][:ndim])
    points = 2 * torch.rand(40, ndim, generator=draws) - 1
    found = fit(fixed, fixed @ slope.T + shift, points)
    assert torch.allclose(found[0], points @ slope.T + shift, atol=2e-3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_spline_follows_a_bend_that_no_affine_map_follows(ndim):
    draws = torch.Generator().manual_seed(2)
    fixed = 2 * torch.rand(1, 200, ndim, generator=draws) - 1
    points = 1.4 * torch.rand(50, ndim, generator=draws) - 0.7

    def bent(x):
        return x + 0.15 * (3 * x.flip(-1)).sin()

    truth = bent(points)
    errors = [
        (fit(fixed, bent(fixed), points)[0] - truth).norm(dim=-1).mean() for fit in (affine, thin_plate)
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("fit", [affine, thin_plate])
def test_keypoints_that_lie_together_give_a_shift(fit):
    one = torch.zeros(1, 8, 2)
    points = torch.tensor([[0.5, -0.5], [0.0, 0.2]])
    assert torch.allclose(fit(one, one + 0.1, points)[0], points + 0.1, atol=2e-2)


def test_keypoints_lie_in_the_image_and_follow_a_shift_by_whole_strides():
    net = KeyMorphNet((64, 64), 0.125, spline=False)
    blob = torch.zeros(1, 1, 64, 64)
    blob[..., 24:32, 20:36] = 1 + torch.rand(8, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found = net.keypoints(blob)
    assert found.shape == (1, KEYPOINTS, 2)
    assert found.abs().max() <= 1


def test_labelregs_network_normalizes_a_pair_by_itself_in_use_as_in_training():
    net = seeded_net("labelreg", SHAPES[2], 0.125, 1)
    torch.nn.init.normal_(net.net.output_block.layers[0].get_submodule("conv").weight)
    with torch.no_grad():
        in_training, in_use = net.train()(*images(2)), net.eval()(*images(2))
    assert in_training.abs().max() > 0
    assert torch.equal(in_training, in_use)


def test_a_coarse_level_of_labelregs_field_has_no_steps():
    net = seeded_net("labelreg", (64, 64), 0.125, 1)
    torch.nn.init.normal_(net.net.output_block.layers[-1].get_submodule("conv").weight)
    with torch.no_grad():
        field = net(*torch.rand(2, 1, 1, 64, 64, generator=torch.Generator().manual_seed(5)))[0]
    steps = field.diff(dim=1).abs()
    assert steps.max() > 0
    assert steps[:, 12:52].median() > steps.max() / 30


def test_a_spline_is_drawn_stiffer_or_softer_in_training_and_is_one_spline_in_use():
    net = seeded_net("keymorph_tps", SHAPES[2], 0.125, 1)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        drawn = [net.train()(*images(2)) for _ in range(2)]
        used = [net.eval()(*images(2)) for _ in range(2)]
    assert not torch.equal(*drawn)
    assert torch.equal(*used)


def test_a_stiffer_spline_is_nearer_to_the_affine_map():
    draws = torch.Generator().manual_seed(6)
    fixed = 2 * torch.rand(1, 64, 2, generator=draws) - 1
    moving = fixed + 0.1 * (4 * fixed.flip(-1)).sin()
    points = 2 * torch.rand(40, 2, generator=draws) - 1
    away = [
        (thin_plate(fixed, moving, points, stiffness) - affine(fixed, moving, points)).norm()
        for stiffness in (1e-6, 0.1, 10.0, 1000.0)
    ]
    assert away == sorted(away, reverse=True)
    assert away[-1] < away[0] / 50


@pytest.mark.parametrize("ndim", [2, 3])
def test_blocks_of_cells_become_channels_and_none_is_lost(ndim):
    image = torch.arange(8.0**ndim).view(1, 1, *[8] * ndim)
    found = blocks_as_channels(image, 2)
    assert found.shape == (1, 2**ndim, *[4] * ndim)
    assert (
        found[(0, slice(None), *[0] * ndim)].tolist() == image[(0, 0, *[slice(2)] * ndim)].flatten().tolist()
    )
    assert torch.equal(found.flatten().sort().values, image.flatten())


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_halved_network_counts_its_field_in_whole_cells(ndim):
    net = seeded_net("voxelmorph_halved", SHAPES[ndim], 0.125, 1).eval()
    last = net.get_submodule("net.backbone.net.1.final_conv_out.conv")
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(0.75)
        field = net(*images(ndim))
    inner = field[(..., *[slice(4, 16)] * ndim)]  # the integration takes it as zero outside the grid
    assert torch.allclose(inner, torch.full_like(inner, 1.5), atol=1e-5)
