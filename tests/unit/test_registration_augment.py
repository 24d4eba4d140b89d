import pytest
import torch

from promptreg.training.registration_augment import augmented
from promptreg.training.registration_data import Example


def ramps(shape):
    """An example whose images are the coordinates along the first axis, in halves of a side."""
    ramp = torch.linspace(-1, 1, shape[0]).view(1, -1, *[1] * (len(shape) - 1)).expand(1, *shape)
    labels = (ramp[0] > 0).int()
    return Example(ramp.clone(), ramp.clone(), labels, labels, "e")


def draws(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(24, 32), (16, 24, 32)])
def test_no_reach_changes_nothing(shape):
    one = ramps(shape)
    found = augmented(one, 0.0, draws(1))
    assert torch.allclose(found.moving, one.moving, atol=1e-5)
    assert torch.equal(found.fixed_labels, one.fixed_labels)


@pytest.mark.parametrize("shape", [(24, 32), (16, 24, 32)])
def test_the_first_corners_are_read_from_inside_by_no_more_than_the_reach(shape):
    found = augmented(ramps(shape), 0.1, draws(2))
    first, last = found.moving.flatten()[0], found.moving[0, -1].flatten()[0]
    assert -1 <= first <= -0.9
    assert 0.9 <= last <= 1


def test_an_image_and_its_labels_move_together_and_the_two_images_apart():
    found = augmented(ramps((64, 64)), 0.3, draws(3))
    assert ((found.moving[0] > 0) == (found.moving_labels == 1)).float().mean() > 0.98
    assert not torch.allclose(found.moving, found.fixed, atol=1e-2)


def test_the_generator_decides_and_absent_labels_stay_absent():
    one = ramps((24, 32))
    bare = Example(one.moving, one.fixed, None, None, "e")
    first, second = (augmented(bare, 0.1, draws(4)) for _ in range(2))
    assert torch.equal(first.moving, second.moving)
    assert first.moving_labels is None
