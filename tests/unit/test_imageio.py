import gzip
import itertools

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK
import tifffile
import torch
from itk_files import FLIPPED, IDENTITY, OBLIQUE, written

from promptreg.geometry import default_affine, index_to_world
from promptreg.imageio import (
    read_image,
    write_image,
)
from promptreg.types import Grid, Image


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("direction", [OBLIQUE, FLIPPED, IDENTITY])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd"])
def test_the_world_of_a_read_image_is_that_of_simpleitk(tmp_path, rng, name, direction):
    values = rng.normal(size=(4, 5, 6)).astype(np.float32)
    path = written(tmp_path, name, values, direction=direction)
    image = read_image(path)
    reference = SimpleITK.ReadImage(str(path))
    assert image.data.shape == (1, 4, 5, 6)
    assert image.grid.unit == "mm"
    np.testing.assert_array_equal(image.data[0].numpy(), values)
    np.testing.assert_allclose(image.grid.spacing, (5.0, 1.3, 0.7), rtol=1e-6)
    for index in itertools.product((0.0, 2.6), (0.0, 3.5), (1.0, 4.2)):
        expected = reference.TransformContinuousIndexToPhysicalPoint(index[::-1])
        found = index_to_world(image.grid, torch.tensor(index, dtype=torch.float64))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("direction", [OBLIQUE, FLIPPED, IDENTITY])
@pytest.mark.parametrize("name", ["b.nii.gz", "b.mha", "b.nrrd"])
def test_a_written_image_comes_back_with_its_grid(tmp_path, rng, name, direction):
    values = rng.normal(size=(4, 5, 6)).astype(np.float32)
    image = read_image(written(tmp_path, "a.mha", values, direction=direction))
    write_image(tmp_path / "new" / name, image)
    back = read_image(tmp_path / "new" / name)
    torch.testing.assert_close(back.data, image.data)
    np.testing.assert_allclose(back.grid.affine, image.grid.affine, atol=1e-5)
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]


def test_an_image_with_channels_comes_back_with_its_channels(tmp_path):
    image = Image(torch.rand(3, 5, 6), Grid((5, 6), default_affine(2, (2.0, 3.0))))
    for name in ("c.mha", "c.nii.gz", "c.npy"):
        write_image(tmp_path / name, image)
        torch.testing.assert_close(read_image(tmp_path / name).data, image.data)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.mha"
    path.write_text("old")
    sheared = default_affine(2) + np.array([[0.3, 0, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="sheared"):
        write_image(path, Image(torch.rand(1, 5, 6), Grid((5, 6), sheared)))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_axial_slice_keeps_its_place_in_the_world(tmp_path, rng):
    path = written(tmp_path, "a.nii.gz", rng.random((1, 5, 6)), direction=IDENTITY)
    image = read_image(path)
    assert image.data.shape == (1, 5, 6)
    np.testing.assert_allclose(image.grid.affine, [[0, 0.7, 12], [1.3, 0, -40], [0, 0, 1]], atol=1e-6)


def test_a_sagittal_slice_gets_the_frame_of_its_own_plane(tmp_path, rng):
    image = read_image(written(tmp_path, "a.mha", rng.random((4, 5, 1)), direction=IDENTITY))
    assert image.data.shape == (1, 4, 5)
    np.testing.assert_allclose(image.grid.affine, default_affine(2, (5.0, 1.3)), atol=1e-6)


def test_up_to_four_volumes_are_channels_and_more_are_an_error(tmp_path, rng):
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(rng.random((6, 5, 4, 2)).astype("f4"), np.diag([2, 3, 4, 1.0])), path)
    image = read_image(path)
    assert image.data.shape == (2, 4, 5, 6)
    np.testing.assert_allclose(image.grid.spacing, (4, 3, 2))
    nibabel.save(nibabel.Nifti1Image(rng.random((6, 5, 4, 9)).astype("f4"), np.eye(4)), path)
    with pytest.raises(ValueError, match="9 volumes"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npy.gz", "a.npz"])
def test_numpy_files_have_array_order_and_pixel_units(tmp_path, rng, name):
    values = rng.random((4, 5, 6))
    if name.endswith(".npz"):
        np.savez(tmp_path / name, image=values)
    else:
        with (
            gzip.open(tmp_path / name, "wb") if name.endswith(".gz") else open(tmp_path / name, "wb") as file
        ):
            np.save(file, values)
    image = read_image(tmp_path / name)
    assert image.grid.unit == "px"
    np.testing.assert_allclose(image.data[0], values, rtol=1e-6)
    np.testing.assert_array_equal(image.grid.affine, default_affine(3))


def test_a_trailing_axis_of_three_is_colour(tmp_path, rng):
    np.save(tmp_path / "a.npy", rng.random((7, 8, 3)))
    assert read_image(tmp_path / "a.npy").data.shape == (3, 7, 8)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_a_colour_picture_has_three_channels_and_x_is_the_column(tmp_path, rng, name):
    values = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
    PIL.Image.fromarray(values).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data.numpy(), np.moveaxis(values, -1, 0))
    np.testing.assert_array_equal(index_to_world(image.grid, torch.tensor([2.0, 5.0])), [5.0, 2.0])


@pytest.mark.parametrize(("mode", "n_channels"), [("RGBA", 3), ("LA", 1), ("L", 1), ("P", 3), ("1", 1)])
def test_alpha_is_dropped_and_palettes_become_colours(tmp_path, rng, mode, n_channels):
    colours = PIL.Image.fromarray(rng.integers(0, 255, (9, 8, 3), dtype=np.uint8))
    colours.convert(mode).save(tmp_path / "a.png")
    expected = np.atleast_3d(np.asarray(colours.convert(mode).convert("L" if n_channels == 1 else "RGB")))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data.numpy(), np.moveaxis(expected, -1, 0))


def test_a_fourth_band_that_is_not_alpha_stays(tmp_path, rng):
    bands = rng.integers(0, 255, (9, 8, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data.numpy(), np.moveaxis(bands, -1, 0))


def test_colours_stored_plane_by_plane_are_three_channels(tmp_path, rng):
    planes = rng.integers(0, 255, (3, 9, 8), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data.numpy(), planes)


def test_sixteen_bits_are_kept(tmp_path, rng):
    values = rng.integers(0, 65535, (5, 6), dtype=np.uint16)
    PIL.Image.fromarray(values).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data[0].numpy(), values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data[0].numpy(), values)


def test_the_orientation_tag_of_a_camera_is_ignored(tmp_path, rng):
    exif = PIL.Image.Exif()
    exif[274] = 6
    picture = PIL.Image.fromarray(rng.integers(0, 255, (16, 24), dtype=np.uint8))
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").data.shape == (1, 16, 24)


def test_a_png_holds_rounded_and_clipped_values_and_comes_back(tmp_path):
    values = torch.tensor([[-3.0, 0.4, 0.6], [254.5, 255.4, 300.0]])
    write_image(tmp_path / "new" / "a.png", Image(values[None], Grid((2, 3), default_affine(2), "px")))
    image = read_image(tmp_path / "new" / "a.png")
    assert image.data[0].tolist() == [[0.0, 0.0, 1.0], [254.0, 255.0, 255.0]]
    assert image.grid.unit == "px"
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_colour_png_comes_back_with_its_colours(tmp_path, rng):
    colours = torch.from_numpy(rng.integers(0, 256, (3, 5, 6))).float()
    write_image(tmp_path / "a.png", Image(colours, Grid((5, 6), default_affine(2), "px")))
    assert torch.equal(read_image(tmp_path / "a.png").data, colours)


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (2, 5, 6)])
def test_a_png_of_a_volume_or_of_two_channels_is_refused(tmp_path, shape):
    grid = Grid(shape[1:], default_affine(len(shape) - 1))
    with pytest.raises(ValueError, match=r"a\.png: PNG holds a 2D image of 1, 3 or 4 channels"):
        write_image(tmp_path / "a.png", Image(torch.zeros(shape), grid))
    assert list(tmp_path.iterdir()) == []
