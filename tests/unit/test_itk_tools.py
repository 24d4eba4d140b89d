"""ANTs, elastix, greedy and FireANTs, where their environments are installed; what they write, everywhere."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.environments import interpreter
from promptreg.baselines.handover import FIXED, MOVING, hand_over
from promptreg.baselines.itk_tools import MOVED, AntsSyn, Elastix, FireAnts, Greedy, canonical
from promptreg.config import Baselines
from promptreg.geometry import ddf_to_itk, default_affine, grid_from_sitk, resample, warp
from promptreg.types import Ddf, Grid, Image, Pair

SHIFT = {2: [5.0, -3.0], 3: [5.0, -3.0, 4.0]}


def shifted_pair(ndim, *, start=None):
    """A smooth image and the same moved by a known, unsymmetric shift, on oblique, anisotropic grids."""
    shape = (90, 100) if ndim == 2 else (30, 56, 60)
    affine = default_affine(ndim, (1.0, 1.4) if ndim == 2 else (2.5, 1.0, 1.3))
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])[:ndim, :ndim]
    affine[:-1, :-1] = turn @ affine[:-1, :-1]
    affine[:-1, -1] = [30.0, -40.0, 70.0][:ndim]
    grid = Grid(shape, affine)
    smooth = gaussian_filter(np.random.default_rng(3).normal(size=shape), 4 if ndim == 2 else (2, 4, 4))
    data = torch.from_numpy(100 * (smooth - smooth.min()) / np.ptp(smooth)).float()[None]
    truth = np.eye(ndim + 1)
    truth[:-1, -1] = SHIFT[ndim]
    fixed = Image(resample(data, grid, grid, transform=truth), grid)
    return Pair(Image(data, grid), fixed, np.eye(ndim + 1) if start is None else start)


def test_images_are_handed_over_as_one_channel_starting_at_the_pre_alignment(tmp_path):
    start = np.eye(3)
    start[:-1, -1] = [2.0, -7.0]
    pair = shifted_pair(2, start=start)
    hand_over(pair, tmp_path)
    fixed, moving = (sitk.ReadImage(tmp_path / name) for name in (FIXED, MOVING))
    np.testing.assert_allclose(grid_from_sitk(fixed).affine, pair.fixed.grid.affine, atol=1e-4)
    expected = pair.moving.grid.affine.copy()
    expected[:-1, -1] -= [2.0, -7.0]
    np.testing.assert_allclose(grid_from_sitk(moving).affine, expected, atol=1e-4)
    np.testing.assert_allclose(sitk.GetArrayFromImage(moving), pair.moving.data[0], rtol=1e-5)


def field_file(pair, displacement, path):
    sitk.WriteImage(ddf_to_itk(Ddf(displacement, pair.fixed.grid)), path)
    return path


def test_a_field_is_read_and_the_pre_alignment_composed_after_it(tmp_path):
    start = np.eye(3)
    start[:-1, -1] = [2.0, -7.0]
    pair = shifted_pair(2, start=start)
    displacement = torch.zeros(2, *pair.fixed.grid.shape)
    displacement[0] = 3.0
    found = canonical(field_file(pair, displacement, tmp_path / "field.nii.gz"), pair, "tool")
    expected = torch.tensor([5.0, -7.0])[:, None, None].expand_as(found.displacement)
    torch.testing.assert_close(found.displacement, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("harm", "words"),
    [("absent", "without writing"), ("other grid", "cells for an image"), ("nan", "not finite at 1 of")],
)
def test_a_field_that_cannot_be_used_is_an_error(harm, words, tmp_path):
    pair = shifted_pair(2)
    path = tmp_path / "field.nii.gz"
    displacement = torch.zeros(2, *pair.fixed.grid.shape)
    if harm == "nan":
        displacement[:, 3, 4] = torch.nan
    if harm == "other grid":
        small = Grid((5, 6), pair.fixed.grid.affine)
        sitk.WriteImage(ddf_to_itk(Ddf(torch.zeros(2, 5, 6), small)), path)
    elif harm != "absent":
        field_file(pair, displacement, path)
    with pytest.raises(RuntimeError, match=words):
        canonical(path, pair, "tool")


@pytest.mark.slow
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("tool", [AntsSyn, Elastix, Greedy, FireAnts], ids=lambda tool: tool.environment)
def test_a_known_shift_is_found_and_the_warped_image_is_the_fixed_one(tool, ndim, tmp_path):
    try:
        interpreter(tool.environment)
    except BaselineUnavailable as error:
        pytest.skip(str(error))
    pair = shifted_pair(ndim)
    ddf = tool().register(pair, Baselines(), tmp_path)
    middle = (slice(None), *(slice(n // 4, n - n // 4) for n in pair.fixed.grid.shape))
    mean = ddf.displacement[middle].flatten(1).mean(1)
    torch.testing.assert_close(mean, torch.tensor(SHIFT[ndim]), atol=0.4, rtol=0)
    warped = warp(pair.moving.data, pair.moving.grid, ddf)
    assert (warped - pair.fixed.data)[middle].abs().mean() < 2.0
    own = torch.from_numpy(sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / MOVED, sitk.sitkFloat32)))[None]
    assert (warped - own)[middle].abs().max() < 1e-3 * float(pair.moving.data.max())


@pytest.mark.slow
def test_greedy_takes_volumes_of_few_slices_with_fewer_levels(tmp_path):
    try:
        interpreter("greedy")
    except BaselineUnavailable as error:
        pytest.skip(str(error))
    whole = shifted_pair(3)
    # The first ten slices alone, in the same frame.
    thin = [
        Image(image.data[:, :10].contiguous(), Grid((10, *image.grid.shape[1:]), image.grid.affine))
        for image in (whole.moving, whole.fixed)
    ]
    ddf = Greedy().register(Pair(*thin, np.eye(4)), Baselines(), tmp_path)
    middle = ddf.displacement[:, 3:7, 14:42, 15:45].flatten(1).mean(1)
    torch.testing.assert_close(middle[:2], torch.tensor(SHIFT[3][:2]), atol=1.0, rtol=0)
