import math

import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.nets.registration.keymorph import positions
from promptreg.nets.registration.recipes import RECIPES
from promptreg.training.registration_data import Example
from promptreg.training.registration_losses import (
    correlation_loss,
    keypoint_loss,
    label_loss,
    mean_dice,
    roughness,
    unlikeness,
    warped,
)


def noise(*shape, seed=0):
    draws = torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.from_numpy(gaussian_filter(draws.numpy(), 1.5))[None]


def square(row, column, size=10, shape=(40, 40)):
    labels = torch.zeros(shape, dtype=torch.int32)
    labels[row : row + size, column : column + size] = 1
    return labels


def shift(y, x, shape=(40, 40)):
    return torch.tensor([y, x], dtype=torch.float32)[:, None, None].expand(2, *shape).clone()


def of(moving, fixed, labels=(None, None)):
    return Example(moving, fixed, *labels, "e")


def test_a_field_pulls():
    data = noise(12, 20)
    assert torch.allclose(warped(data, shift(3, -2, (12, 20)))[0, 4, 7], data[0, 7, 5])


def test_local_correlation_is_best_for_the_same_image_in_other_tones():
    image = noise(40, 40)
    assert correlation_loss(1 - 0.5 * image, image) < -0.9
    assert correlation_loss(noise(40, 40, seed=1), image) > -0.5


def test_the_overlap_of_labels_is_best_at_the_true_shift_and_feels_a_far_one():
    moving, fixed = square(20, 6).float()[None], square(12, 18).float()[None]
    losses = [label_loss(moving, fixed, shift(8 * t, -12 * t)).item() for t in (0, 0.2, 0.5, 1)]
    assert losses == sorted(losses, reverse=True)
    assert label_loss(moving, fixed, shift(10, -15)).item() > losses[-1]


@pytest.mark.parametrize("kind", ["gradient", "bending"])
def test_a_shift_is_not_rough(kind):
    assert roughness(kind, shift(5, -3)).item() == 0


def test_a_stretch_has_a_gradient_and_no_bending():
    stretch = torch.zeros(2, 40, 40)
    stretch[0] = 0.2 * torch.arange(40)[:, None]
    assert roughness("gradient", stretch).item() == pytest.approx(0.04 / 4)
    assert roughness("bending", stretch).item() == pytest.approx(0, abs=1e-8)


def test_only_a_method_that_is_trained_on_labels_looks_at_them():
    image = noise(40, 40)
    one = of(image, image, (square(5, 5), square(20, 20)))
    bare = of(image, image)
    field, draws = shift(0, 0), torch.Generator()
    assert unlikeness(RECIPES["voxelmorph"], field, one, draws) == unlikeness(
        RECIPES["voxelmorph"], field, bare, draws
    )
    with pytest.raises(ValueError, match="no label"):
        unlikeness(RECIPES["labelreg"], field, bare, draws)
    assert unlikeness(RECIPES["labelreg"], field, one, draws) > 0.5


def test_a_step_on_labels_draws_among_those_that_both_images_show():
    a, b = square(5, 5), square(5, 5)
    a[30:36, 30:36], b[30:36, 10:16], a[0:2, 0:2] = 2, 3, 4
    assert of(noise(40, 40), noise(40, 40), (a, b)).common_labels() == [1]


def test_comparing_all_labels_is_the_mean_over_them():
    image = noise(40, 40)
    moving, fixed = square(5, 5) + 2 * square(25, 22), square(9, 8) + 2 * square(20, 24)
    one, recipe, field = of(image, image, (moving, fixed)), RECIPES["labelreg"], shift(1, 2)
    each = [label_loss(*one.masks(label), field) for label in (1, 2)]
    found = unlikeness(recipe, field, one, torch.Generator(), every_label=True)
    assert torch.allclose(found, torch.stack(each).mean())


def test_keypoints_that_move_with_the_image_cost_nothing_and_others_something():
    class Follows(torch.nn.Module):
        """Finds a blob at its centre of mass."""

        reference = torch.zeros(1, 2)

        def keypoints(self, image):
            share = image.flatten(2) / image.sum()
            return share @ positions(image.shape[2:]).flatten(0, -2)

    class Stays(Follows):
        def keypoints(self, image):
            return self.reference[None]

    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    blob = (-((rows - 31.5) ** 2 + (columns - 47.5) ** 2) / 20).exp()[None]
    losses = [keypoint_loss(net(), blob, torch.Generator().manual_seed(4)) for net in (Follows, Stays)]
    assert losses[0] < 1e-5
    assert losses[1] > 1e-3


def test_dice_is_one_after_the_true_shift_and_undefined_without_labels():
    one = of(noise(40, 40), noise(40, 40), (square(20, 6), square(12, 18)))
    assert mean_dice(shift(8, -12), one) == 1
    assert mean_dice(shift(0, 0), one) == 0
    assert math.isnan(mean_dice(shift(0, 0), of(noise(40, 40), noise(40, 40))))
