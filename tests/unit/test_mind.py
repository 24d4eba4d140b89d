"""Descriptors that see structure, whatever the intensities."""

import pytest
import torch

from promptreg.mind import mind_ssc

SHAPES = pytest.mark.parametrize("shape", [(20, 24), (12, 14, 16)], ids=["2D", "3D"])


def textured(shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@SHAPES
def test_there_are_four_channels_in_2d_and_twelve_in_3d_between_zero_and_one(shape):
    found = mind_ssc(textured(shape))
    assert found.shape == ({2: 4, 3: 12}[len(shape)], *shape)
    assert (found > 0).all()
    assert (found <= 1).all()


@SHAPES
@pytest.mark.parametrize(("slope", "offset"), [(-1.0, 1.0), (250.0, -1000.0), (-0.01, 3.0)])
def test_an_affine_change_of_intensities_inversion_included_changes_nothing(shape, slope, offset):
    image = textured(shape)
    torch.testing.assert_close(mind_ssc(slope * image + offset), mind_ssc(image), rtol=1e-6, atol=1e-8)


@SHAPES
def test_the_most_alike_pair_of_neighbours_has_the_value_one_everywhere(shape):
    assert torch.equal(mind_ssc(textured(shape)).amax(0), torch.ones(shape, dtype=torch.float64))


@SHAPES
def test_a_flat_image_has_no_structure(shape):
    assert torch.equal(mind_ssc(torch.full(shape, 7.0)), torch.ones({2: 4, 3: 12}[len(shape)], *shape))


@SHAPES
def test_descriptors_move_with_the_image(shape):
    image = textured(shape)
    middle = (slice(None), *(slice(5, -5) if n > 12 else slice(4, -4) for n in shape))
    moved = mind_ssc(image.roll(1, 0))
    torch.testing.assert_close(moved[middle], mind_ssc(image).roll(1, 1)[middle], rtol=0.05, atol=1e-3)


def test_a_descriptor_is_the_exponential_of_patch_differences_over_their_mean():
    image = textured((15, 15))

    def patch(y, x):
        return image[y - 1 : y + 2, x - 1 : x + 2]

    beside = [(patch(y, 7), patch(7, x)) for y in (5, 9) for x in (5, 9)]
    distances = torch.stack([(one - other).square().mean() for one, other in beside])
    distances = distances - distances.min()
    expected = torch.exp(-distances / distances.mean())
    torch.testing.assert_close(mind_ssc(image)[:, 7, 7], expected)
