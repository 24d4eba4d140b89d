import pytest
import torch

from promptreg.models.likeness_cues import likeness_cues


def scene(ndim):
    """Two halves of opposite features; masks: the clicked half, both halves, a part of the clicked half."""
    n = 12
    half = torch.zeros(*[n] * ndim, dtype=torch.bool)
    half[: n // 2] = True
    features = torch.stack([half.float() - 0.5, torch.full_like(half, 0.01, dtype=torch.float)])
    part = half.clone()
    part[3:] = False
    masks = torch.stack([half, torch.ones_like(half), part])[None]
    positive = torch.zeros(1, *half.shape, dtype=torch.bool)
    positive[(0, *[1] * ndim)] = True
    return features, masks, positive, torch.zeros_like(positive)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_clicked_half_is_alike_inside_and_unlike_around(ndim):
    half, both, part = likeness_cues(*scene(ndim))[0]
    assert half[0] > 0.99
    assert half[1] < -0.99
    assert half[2] < -0.99
    assert half[3] > 0.99
    assert both[3] < 0.2
    assert part[1] > 0.99
    # Cosines of long single-precision vectors: exact to about ten of their last bits.
    assert half[6:8].tolist() == pytest.approx([1, 1], abs=1e-5)
    assert half[8:10].tolist() == pytest.approx([0, 0])


def test_a_negative_click_says_what_a_mask_should_not_be_like():
    features, masks, positive, negative = scene(2)
    negative[0, -1, -1] = True
    assert likeness_cues(features, masks, positive, negative)[0, 0, 5] < -0.99
    negative[0, -1, -1] = False
    assert likeness_cues(features, masks, positive, negative)[0, 0, 5] == 0


def test_coarser_features_say_the_same():
    features, masks, positive, negative = scene(2)
    fine = [one.repeat_interleave(2, -1).repeat_interleave(2, -2) for one in (masks, positive, negative)]
    found = likeness_cues(features, *fine)
    torch.testing.assert_close(found[0, :, [0, 3]], likeness_cues(features, *scene(2)[1:])[0, :, [0, 3]])


def test_no_prompts_have_no_cues():
    features, masks, positive, negative = scene(2)
    assert likeness_cues(features, masks[:0], positive[:0], negative[:0]).shape == (0, 3, 10)
