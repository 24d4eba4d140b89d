import numpy as np
import pytest
import skimage.data
import torch

from promptreg.geometry import default_affine, resized, world_coordinates
from promptreg.models.intensities import (
    foreground,
    half_equalized,
    luminance_and_chroma,
    resampled_onto,
    resized_mask,
)
from promptreg.types import Grid, Image


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(30, 10), (7, 25), (64, 50)])
def test_a_ramp_stays_a_ramp_on_a_coarser_or_finer_grid(shape):
    grid = Grid((32, 25), default_affine(2, (2.0, 1.5)))
    ramp = world_coordinates(grid).sum(-1)[None]
    target = resized(grid, shape)
    found = resampled_onto(Image(ramp, grid), target)[0]
    margin = slice(3, -3)
    assert torch.allclose(
        found[margin, margin], world_coordinates(target).sum(-1)[margin, margin], atol=grid.spacing.sum() / 2
    )


def test_a_gray_image_has_luminance_in_the_unit_range_and_no_chroma():
    luminance, chroma = luminance_and_chroma(noise(1, 20, 20) * 4000 - 1000)
    assert luminance.min() == 0
    assert luminance.max() == 1
    assert len(chroma) == 0


def test_gray_colours_have_no_chroma_and_red_has():
    gray = noise(1, 20, 20).expand(3, 20, 20).clone()
    assert luminance_and_chroma(gray)[1].abs().max() < 1e-6
    gray[0, :5] = 1
    assert luminance_and_chroma(gray)[1][0, :5].mean() > 0.2


def test_the_foreground_of_a_disc_on_air_is_the_disc_with_its_hole_filled():
    world = world_coordinates(Grid((64, 64), default_affine(2)))
    radius = (world - 31.5).norm(dim=-1)
    scan = ((radius < 24) & (radius > 8)).float() * 0.6 + 0.02 * noise(64, 64)
    expected = radius < 24
    assert ((foreground(scan) != expected).float().mean()) < 0.01


def test_a_picture_without_a_plain_background_is_all_foreground():
    assert foreground(torch.from_numpy(skimage.data.camera() / 255.0).float()).all()
    assert foreground(noise(20, 20, 20)).all()
    assert foreground(torch.zeros(8, 8)).all()


def test_tissue_on_a_bright_slide_is_foreground():
    slide = torch.full((40, 40), 0.95)
    slide[10:30, 8:32] = 0.5
    body = foreground(slide)
    assert body[20, 20]
    assert not body[2, 2]


def test_equalizing_reduces_what_a_monotone_change_of_contrast_does():
    luminance, everywhere = noise(50, 50), torch.ones(50, 50, dtype=torch.bool)
    changed = luminance**2
    before = (changed - luminance).abs().mean()
    after = (half_equalized(changed, everywhere) - half_equalized(luminance, everywhere)).abs().mean()
    assert after < 0.6 * before


def test_equalizing_keeps_the_order_and_the_two_values_of_a_binary_mask():
    mask = torch.zeros(20, 20)
    mask[5:15, 5:15] = 1
    values = half_equalized(mask, torch.ones_like(mask, dtype=torch.bool)).unique()
    assert len(values) == 2
    ordered = half_equalized(torch.linspace(0, 1, 400).view(20, 20), torch.ones(20, 20, dtype=torch.bool))
    assert (ordered.flatten().diff() > 0).all()


def test_a_mask_is_carried_to_another_shape():
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:2, :3] = True
    finer = resized_mask(mask, (8, 18))
    assert finer[:4, :9].all()
    assert int(finer.sum()) == np.prod((4, 9))
