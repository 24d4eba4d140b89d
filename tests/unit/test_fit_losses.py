from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.fit_losses import (
    image_loss,
    normalized_intensity,
    sdf_loss,
    signed_distances,
    soft_dice_loss,
)


def square(start: int, side: int, n: int = 24) -> torch.Tensor:
    mask = torch.zeros(1, n, n)
    mask[:, 8 : 8 + side, start : start + side] = 1
    return mask


def test_equal_soft_masks_have_no_dice_loss_and_disjoint_ones_have_all_of_it() -> None:
    soft = 0.4 * square(4, 6)
    assert soft_dice_loss(soft, soft).item() == pytest.approx(0, abs=1e-5)
    assert soft_dice_loss(square(2, 5), square(12, 5)).item() == pytest.approx(1, abs=1e-5)


def test_half_overlapping_squares_lose_half_a_dice_whatever_their_size() -> None:
    small, large = soft_dice_loss(square(4, 2), square(5, 2)), soft_dice_loss(square(4, 8), square(8, 8))
    assert small.item() == pytest.approx(0.5, abs=1e-4)
    assert large.item() == pytest.approx(0.5, abs=1e-4)


def test_batched_losses_equal_those_of_single_regions() -> None:
    masks = torch.cat([square(2, 4), square(9, 7)])
    others = torch.cat([square(3, 4), square(7, 6)])
    for loss in (soft_dice_loss, sdf_loss):
        single = torch.cat([loss(a[None], b[None]) for a, b in zip(masks, others, strict=True)])
        torch.testing.assert_close(loss(masks, others), single)


def test_signed_distances_are_in_world_lengths_and_zero_on_the_boundary() -> None:
    half_plane = torch.zeros(1, 5, 20)
    half_plane[..., 10:] = 1
    distance = signed_distances(half_plane, np.array([5.0, 2.0]), 8.0)[0, 2]
    torch.testing.assert_close(distance[8:12], torch.tensor([-3.0, -1, 1, 3]) / 8)
    assert distance[0] == -1
    assert distance[-1] == 1


def test_signed_distances_of_empty_and_full_masks_are_clipped() -> None:
    masks = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    distance = signed_distances(masks, np.ones(2), 3.0)
    assert (distance[0] == -1).all()
    assert (distance[1] == 1).all()


def test_signed_distances_feel_disjoint_regions() -> None:
    fixed = signed_distances(square(2, 4), np.ones(2), 12.0)
    near, far = (signed_distances(square(start, 4), np.ones(2), 12.0) for start in (8, 14))
    assert sdf_loss(near, fixed) < sdf_loss(far, fixed)


def test_intensities_become_one_grey_channel_between_percentiles() -> None:
    ramp = torch.linspace(-500, 1500, 400).view(1, 20, 20).repeat(3, 1, 1)
    ramp[:, 0, 0] = 1e6
    grey = normalized_intensity(ramp)
    assert grey.shape == (20, 20)
    assert grey.min() == 0
    assert grey.max() == 1
    assert grey[10, 10].item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", ["ncc", "mi"])
def test_the_image_loss_is_lower_for_the_same_image_and_reads_only_the_overlap(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    image, other = torch.rand(2, 32, 32, generator=generator)
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[4:28, 4:28] = True
    same = image_loss(image, image, inside, kind=kind)
    assert same < image_loss(other, image, inside, kind=kind)
    corrupted = torch.where(inside, image, torch.full_like(image, 7.0))
    torch.testing.assert_close(image_loss(corrupted, image, inside, kind=kind), same)


def test_the_soft_dice_loss_is_that_of_monai() -> None:
    from monai.losses import DiceLoss

    moved, fixed = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    theirs = DiceLoss(squared_pred=True, reduction="none", smooth_nr=1e-5, smooth_dr=1e-5)
    torch.testing.assert_close(soft_dice_loss(moved, fixed), theirs(moved[None], fixed[None]).reshape(-1))
