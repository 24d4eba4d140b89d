"""Fields and grids as other tools hold them, checked against the tools' own resamplers.

The pair is oblique, anisotropic, of two different grids, with a shift that differs in sign and size
on each axis and an affine with unlike off-diagonal terms: a wrong axis, sign or unit cannot hide.
"""

import os
import subprocess

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.networks.blocks import Warp
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.niftyreg import program
from promptreg.geometry import (
    affine_from_niftyreg,
    affine_to_ddf,
    affine_to_niftyreg,
    cell_indices,
    ddf_from_itk,
    ddf_from_learn2reg,
    ddf_from_niftyreg,
    ddf_to_itk,
    ddf_to_learn2reg,
    ddf_to_niftyreg_def,
    ddf_to_niftyreg_disp,
    ddf_to_voxel,
    default_affine,
    grid_from_nifti,
    nifti_affine,
    nifti_from_array,
    read_niftyreg_affine,
    resample,
    sitk_from_array,
    voxel_to_ddf,
    warp,
    write_itk,
    write_learn2reg,
    write_nifti,
    write_niftyreg_affine,
)
from promptreg.types import Ddf, Grid

RESAMPLER_TOLERANCE = 1e-3


def volume_grid(shape, spacing, degrees, origin) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()[:, ::-1] * spacing
    affine[:3, 3] = origin
    return Grid(shape, affine)


def plane_grid(shape, spacing, degrees, origin) -> Grid:
    affine = np.eye(3)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine[:2, :2] = turn[:, ::-1] * spacing
    affine[:2, 2] = origin
    return Grid(shape, affine)


def make_case(ndim: int) -> tuple[torch.Tensor, Grid, Ddf, np.ndarray]:
    """A smooth moving image, its grid, a field on another grid, and the affine part of the field."""
    if ndim == 3:
        moving = volume_grid((14, 22, 18), (2.5, 0.9, 1.3), (14, -8, 25), (3, -40, 90))
        fixed = volume_grid((10, 16, 20), (3.0, 1.1, 0.8), (20, -10, 30), (6, -36, 93))
    else:
        moving = plane_grid((26, 22), (0.9, 1.3), 25, (3, -40))
        fixed = plane_grid((16, 20), (1.1, 0.8), 30, (6, -36))
    rng = np.random.default_rng(0)
    data = gaussian_filter(rng.normal(size=moving.shape), 1.5)
    data = torch.from_numpy(data / data.std()).float()
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] += np.array([[0.02, 0.05, 0.0], [-0.03, -0.02, 0.04], [0.01, 0.0, 0.03]])[:ndim, :ndim]
    matrix[:-1, -1] = moving.center - matrix[:-1, :-1] @ fixed.center + [1.1, -0.7, 0.4][:ndim]
    ddf = affine_to_ddf(matrix, fixed)
    phase = cell_indices(fixed.shape).movedim(-1, 0) * 0.5
    bend = 0.4 * torch.sin(phase).flip(0) * torch.tensor([1.0, -0.5, 0.8][:ndim]).reshape(ndim, *[1] * ndim)
    return data, moving, Ddf(ddf.displacement + bend, fixed), matrix


def interior(moving: Grid, ddf: Ddf) -> np.ndarray:
    """Cells whose moving point lies inside the moving image, where all resamplers must agree."""
    ones = warp(torch.ones(1, *moving.shape), moving, ddf)[0]
    inside = (ones > 0.9999).numpy()
    assert inside.sum() > 0.2 * inside.size
    return inside


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def case(request):
    return make_case(request.param)


@pytest.fixture(scope="module")
def niftyreg():
    try:
        program("reg_resample")
    except BaselineUnavailable as error:
        pytest.skip(str(error))
    return program


def call(*command) -> None:
    subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def assert_same(found: Ddf, expected: Ddf, tolerance: float = 2e-5) -> None:
    assert found.grid.shape == expected.grid.shape
    np.testing.assert_allclose(found.grid.affine, expected.grid.affine, atol=1e-4)
    torch.testing.assert_close(found.displacement, expected.displacement, atol=tolerance, rtol=0)


def test_an_itk_field_returns_unchanged(case):
    _, _, ddf, _ = case
    assert_same(ddf_from_itk(ddf_to_itk(ddf)), ddf)


def test_simpleitk_warps_with_the_itk_field_as_we_do(case):
    data, moving, ddf, _ = case
    transform = sitk.DisplacementFieldTransform(ddf_to_itk(ddf))
    reference = sitk_from_array(np.zeros(ddf.grid.shape, np.float32), ddf.grid)
    expected = sitk.Resample(sitk_from_array(data, moving), reference, transform, sitk.sitkLinear, 0.0)
    inside = interior(moving, ddf)
    found = warp(data[None], moving, ddf)[0].numpy()
    difference = np.abs(found - sitk.GetArrayFromImage(expected))[inside]
    assert difference.max() < RESAMPLER_TOLERANCE


def test_an_image_of_another_component_count_is_no_itk_field():
    with pytest.raises(ValueError, match="in 3D has 3 components a pixel, this image has 1"):
        ddf_from_itk(sitk.Image([4, 4, 4], sitk.sitkFloat32))


def test_an_array_off_the_grid_is_refused():
    grid = Grid((4, 5), default_affine(2))
    with pytest.raises(ValueError, match=r"shape \(5, 4\) does not lie on a grid of shape \(4, 5\)"):
        sitk_from_array(np.zeros((5, 4)), grid)
    with pytest.raises(ValueError, match="does not lie on a grid"):
        nifti_from_array(np.zeros((3, 4, 5)), grid)


def test_a_nifti_affine_says_what_simpleitk_reads_in_the_same_file(tmp_path):
    _, grid, _, _ = make_case(3)
    write_nifti(tmp_path / "a.nii.gz", nifti_from_array(np.zeros(grid.shape, np.float32), grid))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    lps = np.array(image.TransformIndexToPhysicalPoint((3, 2, 1)))
    np.testing.assert_allclose(lps * [-1, -1, 1], (nifti_affine(grid) @ [3, 2, 1, 1])[:3], atol=1e-4)


def test_a_grid_survives_the_way_through_nifti(case):
    _, grid, _, _ = case
    back = grid_from_nifti(nifti_from_array(np.zeros(grid.shape, np.float32), grid), grid.ndim)
    assert back.shape == grid.shape
    np.testing.assert_allclose(back.affine, grid.affine, atol=1e-12)


@pytest.mark.parametrize("convert", [ddf_to_niftyreg_def, ddf_to_niftyreg_disp])
def test_a_niftyreg_field_returns_unchanged(case, convert):
    _, _, ddf, _ = case
    field = convert(ddf)
    spatial = (*ddf.grid.shape[::-1], 1)[:3]
    assert field.shape == (*spatial, 1, ddf.grid.ndim)
    assert int(field.header["intent_code"]) == 1007
    assert_same(ddf_from_niftyreg(field), ddf)


@pytest.mark.parametrize("convert", [ddf_to_niftyreg_def, ddf_to_niftyreg_disp])
def test_reg_resample_warps_with_the_niftyreg_field_as_we_do(case, convert, niftyreg, tmp_path):
    data, moving, ddf, _ = case
    write_nifti(tmp_path / "moving.nii", nifti_from_array(data, moving))
    write_nifti(tmp_path / "fixed.nii", nifti_from_array(torch.zeros(ddf.grid.shape), ddf.grid))
    write_nifti(tmp_path / "field.nii", convert(ddf))
    images = ["-ref", tmp_path / "fixed.nii", "-flo", tmp_path / "moving.nii"]
    options = ["-inter", "1", "-pad", "0", "-omp", "1"]
    call(
        niftyreg("reg_resample"),
        *images,
        "-trans",
        tmp_path / "field.nii",
        "-res",
        tmp_path / "r.nii",
        *options,
    )
    expected = np.asarray(nib.load(tmp_path / "r.nii").dataobj).squeeze().T
    found = warp(data[None], moving, ddf)[0].numpy()
    assert np.abs(found - expected)[interior(moving, ddf)].max() < RESAMPLER_TOLERANCE


def test_reg_transform_writes_our_own_field_for_our_affine(case, niftyreg, tmp_path):
    _, _, ddf, matrix = case
    write_nifti(tmp_path / "fixed.nii", nifti_from_array(torch.zeros(ddf.grid.shape), ddf.grid))
    write_niftyreg_affine(tmp_path / "affine.txt", matrix)
    for option in ("-def", "-disp"):
        call(
            niftyreg("reg_transform"), "-ref", tmp_path / "fixed.nii", option,
            tmp_path / "affine.txt", tmp_path / "field.nii",
        )  # fmt: skip
        found = ddf_from_niftyreg(nib.Nifti1Image.from_filename(tmp_path / "field.nii"))
        assert_same(found, affine_to_ddf(matrix, ddf.grid), tolerance=1e-3)


def test_a_spline_grid_is_refused_with_the_command_that_makes_a_dense_field():
    field = ddf_to_niftyreg_disp(make_case(3)[2])
    field.header["intent_p1"] = 2
    with pytest.raises(ValueError, match="reg_transform -def"):
        ddf_from_niftyreg(field)


def test_a_niftyreg_affine_returns_unchanged_and_flips_x_and_y(tmp_path):
    matrix = np.array([[1.0, 0.2, 4.0], [-0.1, 0.9, -3.0], [0, 0, 1]])
    ras = affine_to_niftyreg(matrix)
    np.testing.assert_allclose(ras[:3, 3], [-4, 3, 0])
    np.testing.assert_allclose(affine_from_niftyreg(ras, 2), matrix)
    write_niftyreg_affine(tmp_path / "a.txt", matrix)
    np.testing.assert_allclose(read_niftyreg_affine(tmp_path / "a.txt", 2), matrix, atol=1e-8)


def test_a_file_that_is_no_affine_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("1 0 0\n0 1 nan\n")
    with pytest.raises(ValueError, match=r"a\.txt: expected a text file of 4 x 4 finite numbers"):
        read_niftyreg_affine(tmp_path / "a.txt", 3)


def test_a_learn2reg_field_returns_unchanged(case):
    _, moving, ddf, _ = case
    field = ddf_to_learn2reg(ddf, moving)
    assert field.shape == (*ddf.grid.shape[::-1], ddf.grid.ndim)
    assert_same(ddf_from_learn2reg(field, ddf.grid, moving), ddf)


def test_reading_the_moving_file_array_at_index_plus_learn2reg_field_warps_as_we_do(case):
    data, moving, ddf, _ = case
    field = ddf_to_learn2reg(ddf, moving)
    index = np.indices(field.shape[:-1]) + np.moveaxis(field, -1, 0)
    expected = map_coordinates(data.numpy().T, index, order=1).T
    found = warp(data[None], moving, ddf)[0].numpy()
    assert np.abs(found - expected)[interior(moving, ddf)].max() < RESAMPLER_TOLERANCE


def test_a_learn2reg_field_of_another_shape_is_refused(case):
    _, moving, ddf, _ = case
    with pytest.raises(ValueError, match="does not fit the fixed image: expected"):
        ddf_from_learn2reg(ddf_to_learn2reg(ddf, moving)[1:], ddf.grid, moving)


def test_a_voxel_field_returns_unchanged(case):
    _, _, ddf, matrix = case
    voxel = ddf_to_voxel(ddf, then=matrix)
    assert voxel.abs().mean() < 1
    assert_same(voxel_to_ddf(voxel, ddf.grid, ddf.grid, then=matrix), ddf, tolerance=1e-4)


def test_monai_warps_with_the_voxel_field_as_we_do_on_one_grid():
    data, moving, ddf, _ = make_case(3)
    on_fixed = resample(data[None], moving, ddf.grid, padding="border")
    voxel = ddf_to_voxel(ddf)
    expected = Warp(padding_mode="zeros")(on_fixed[None], voxel[None])[0]
    torch.testing.assert_close(warp(on_fixed, ddf.grid, ddf), expected, atol=RESAMPLER_TOLERANCE, rtol=0)


def test_monai_warps_the_pre_aligned_moving_image_of_another_grid():
    data, moving, ddf, matrix = make_case(2)
    smooth = torch.from_numpy(gaussian_filter(data.numpy(), 2))[None]
    aligned = resample(smooth, moving, ddf.grid, transform=matrix, padding="border")
    expected = Warp()(aligned[None], ddf_to_voxel(ddf, then=matrix)[None])[0, 0].numpy()
    found = warp(smooth, moving, ddf)[0].numpy()
    inside = interior(moving, ddf)[2:-2, 2:-2]
    assert np.abs(found - expected)[2:-2, 2:-2][inside].max() < 0.05 * float(np.ptp(smooth.numpy()))


def test_written_fields_are_read_back_by_their_tools(tmp_path):
    _, moving, ddf, _ = make_case(3)
    write_itk(tmp_path / "itk.nii.gz", ddf)
    assert_same(ddf_from_itk(sitk.ReadImage(str(tmp_path / "itk.nii.gz"))), ddf, tolerance=1e-4)
    write_learn2reg(tmp_path / "disp.nii.gz", ddf, moving)
    field = np.asarray(nib.load(tmp_path / "disp.nii.gz").dataobj)
    assert_same(ddf_from_learn2reg(field, ddf.grid, moving), ddf)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disp.nii.gz", "itk.nii.gz"]


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "field.nii.gz"
    path.write_text("old")
    broken = Ddf(torch.zeros(3, 2, 2, 2), Grid((9, 9, 9), default_affine(3)))
    with pytest.raises(ValueError, match="does not lie on a grid"):
        write_itk(path, broken)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["field.nii.gz"]
