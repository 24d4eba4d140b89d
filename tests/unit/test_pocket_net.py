import pytest
import torch
from small_pocket import SMALL_SIZES as SMALL
from small_pocket import scene, small_pocket

from promptreg.nets.pocket_net import PocketNet


@pytest.fixture(scope="module")
def net():
    return small_pocket()


@pytest.fixture(scope="module")
def encoded(net):
    return net.encode(torch.cat([scene(64, 1), scene(64, 2)]))


def prompts(n_prompts=3, n_points=3):
    generator = torch.Generator().manual_seed(0)
    points = 63 * torch.rand(2, n_prompts, n_points, 2, generator=generator)
    labels = torch.randint(-1, 2, (2, n_prompts, n_points), generator=generator)
    labels[..., 0] = 1
    return points, labels


def test_masks_have_half_the_sides_of_the_image(net, encoded):
    logits, scores = net.decode(encoded, *prompts())
    assert logits.shape == (2, 3, 4, 32, 32)
    assert scores.shape == (2, 3, 4)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_prompts_decoded_together_are_those_decoded_one_by_one(net, encoded):
    points, labels = prompts()
    together, scores = net.decode(encoded, points, labels)
    for k in range(3):
        alone, score = net.decode(encoded, points[:, k : k + 1], labels[:, k : k + 1])
        torch.testing.assert_close(together[:, k], alone[:, 0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(scores[:, k], score[:, 0], atol=1e-5, rtol=1e-4)


def test_padding_changes_nothing(net, encoded):
    points, labels = prompts(n_points=2)
    more = torch.cat([points, torch.full((2, 3, 1, 2), 11.0)], dim=2)
    kinds = torch.cat([labels, torch.full((2, 3, 1), -1)], dim=2)
    for padded, alone in zip(
        net.decode(encoded, more, kinds), net.decode(encoded, points, labels), strict=True
    ):
        torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)


def test_the_order_of_the_points_behind_the_first_does_not_matter(net, encoded):
    points, labels = prompts(n_points=4)
    order = [0, 3, 1, 2]
    found, swapped = (
        net.decode(encoded, points, labels)[0],
        net.decode(encoded, points[:, :, order], labels[..., order])[0],
    )
    torch.testing.assert_close(swapped, found, atol=1e-4, rtol=1e-4)


def test_a_negative_click_is_not_a_positive_one(net, encoded):
    points, _ = prompts(n_points=2)
    positive, negative = torch.ones(2, 3, 2, dtype=torch.long), torch.tensor([1, 0]).expand(2, 3, 2)
    difference = net.decode(encoded, points, positive)[0] - net.decode(encoded, points, negative)[0]
    assert difference.abs().max() > 0.01


def test_no_prompts_have_no_masks(net, encoded):
    logits, scores = net.decode(encoded, torch.zeros(2, 0, 1, 2), torch.zeros(2, 0, 1, dtype=torch.long))
    assert logits.shape == (2, 0, 4, 32, 32)
    assert scores.shape == (2, 0, 4)


def test_derivatives_by_the_points_agree_with_differences(encoded):
    net = small_pocket().double()
    double = type(encoded)(**{name: value.double() for name, value in vars(encoded).items()})
    points, labels = (
        torch.tensor([[[[20.3, 31.4]]], [[[40.6, 11.3]]]]).double(),
        torch.ones(2, 1, 1, dtype=torch.long),
    )

    def mass(p):
        return net.decode(double, p, labels)[0].sigmoid().sum()

    for axis in torch.eye(2).double():
        slope = torch.func.jvp(mass, (points,), (axis.expand_as(points).contiguous(),))[1]
        difference = (mass(points + 0.02 * axis) - mass(points - 0.02 * axis)) / 0.04
        torch.testing.assert_close(slope, difference, atol=0.05, rtol=0.05)


def test_encoding_and_decoding_in_one_go_is_the_same(net, encoded):
    points, labels = prompts()
    images = torch.cat([scene(64, 1), scene(64, 2)])
    again, logits, _ = net(images, points, labels)
    torch.testing.assert_close(again.embedding, encoded.embedding)
    torch.testing.assert_close(logits, net.decode(encoded, points, labels)[0])


def test_the_sizes_are_those_of_the_architecture_asked_for():
    assert PocketNet(SMALL).encoder.stem.out_channels == SMALL.widths[0]
