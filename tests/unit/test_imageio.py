import gzip
import itertools

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK
import tifffile
import torch

from promptreg.geometry import apply_affine, default_affine, index_to_world
from promptreg.imageio import (
    read_image,
    read_labels,
    read_landmarks,
    write_image,
    write_labels,
    write_points,
)
from promptreg.types import Grid, Image

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def itk_image(values, direction=OBLIQUE, spacing=(0.7, 1.3, 5.0), origin=(12.0, -40.0, 7.0)):
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def written(tmp_path, name, values, **geometry):
    path = tmp_path / name
    SimpleITK.WriteImage(itk_image(values, **geometry), str(path))
    return path


def raw_mha(tmp_path, spacing="1 1 1", direction="1 0 0 0 1 0 0 0 1"):
    path = tmp_path / "raw.mha"
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"TransformMatrix = {direction}\nOffset = 0 0 0\nElementSpacing = {spacing}\nDimSize = 4 3 2\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + bytes(range(24)))
    return path


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


def test_a_stack_of_pages_is_an_error(tmp_path, rng):
    tifffile.imwrite(
        tmp_path / "a.tif", rng.integers(0, 255, (3, 9, 8), dtype=np.uint8), photometric="minisblack"
    )
    with pytest.raises(ValueError, match="3 pages"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.nrrd", "a.npy", "a.npy.gz", "a.png"])
@pytest.mark.parametrize("part", [0.6, 0.0])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, rng, name, part):
    values = rng.integers(0, 255, (8, 30, 32), dtype=np.uint8)
    path = tmp_path / name
    if ".npy" in name:
        with gzip.open(path, "wb") if name.endswith(".gz") else open(path, "wb") as file:
            np.save(file, values)
    elif name.endswith(".png"):
        PIL.Image.fromarray(values[0]).save(path)
    else:
        written(tmp_path, name, values)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=name):
        read_image(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.png", "a.tif", "a.npy", "a.npz"])
def test_a_missing_file_and_a_file_of_text_are_errors_that_name_it(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        read_image(tmp_path / name)
    (tmp_path / name).write_text("not an image at all" * 40)
    with pytest.raises(ValueError, match=name):
        read_image(tmp_path / name)


def test_an_unknown_format_is_an_error_that_lists_the_known(tmp_path):
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(ValueError, match=r"unknown image format '\.doc'.*\.nii\.gz"):
        read_image(tmp_path / "a.doc")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_an_error_that_counts_them(tmp_path, value):
    values = np.arange(20.0).reshape(4, 5)
    values[1, 2] = value
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match="1 of 20 pixels"):
        read_image(tmp_path / "a.npy")


def test_constant_complex_and_text_arrays_are_errors(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 5), 3.0))
    with pytest.raises(ValueError, match="constant image, every pixel is 3"):
        read_image(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.full((4, 5), 3.0 + 1j))
    with pytest.raises(ValueError, match="real numbers"):
        read_image(tmp_path / "a.npy")
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.complex64), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="complex"):
        read_image(tmp_path / "a.nii")
    np.savez(tmp_path / "a.npz", one=np.ones((4, 5)), two=np.ones((4, 5)))
    with pytest.raises(ValueError, match="2 arrays"):
        read_image(tmp_path / "a.npz")


@pytest.mark.parametrize("pixdim", [0.0, -2.0, np.nan])
def test_a_nifti_spacing_that_is_not_positive_is_an_error(tmp_path, rng, pixdim):
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(rng.random((4, 5, 6)).astype("f4"), np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[80:84] = np.float32(pixdim).tobytes()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="voxel spacing"):
        read_image(path)


def test_zero_spacing_and_singular_directions_are_errors(tmp_path):
    assert read_image(raw_mha(tmp_path)).data.shape == (1, 2, 3, 4)
    with pytest.raises(ValueError, match="spacing"):
        read_image(raw_mha(tmp_path, spacing="1 0 1"))
    with pytest.raises(ValueError, match="direction"):
        read_image(raw_mha(tmp_path, direction="1 0 0 1 0 0 0 0 1"))


GRID = Grid((4, 5), default_affine(2), "px")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_labels_come_back_as_integers(tmp_path, rng, dtype):
    values = rng.integers(0, 4, (3, 4, 5)).astype(dtype)
    path = written(tmp_path, "a.nii.gz", values)
    labels = read_labels(path, read_image(path).grid)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, values)


def test_written_labels_come_back(tmp_path, rng):
    labels = rng.integers(0, 300, (3, 4, 5))
    grid = read_image(written(tmp_path, "a.mha", rng.random((3, 4, 5)))).grid
    write_labels(tmp_path / "l.nii.gz", labels, grid)
    np.testing.assert_array_equal(read_labels(tmp_path / "l.nii.gz", grid), labels)


@pytest.mark.parametrize(
    ("value", "message"), [(0.5, "integers"), (np.nan, "integers"), (-1, "label -1"), (0, "every pixel is 0")]
)
def test_bad_label_values_are_errors(tmp_path, value, message):
    values = np.zeros((4, 5))
    values[2, 2] = value
    np.save(tmp_path / "l.npy", values)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "l.npy", GRID)


def test_labels_on_another_grid_are_an_error_that_tells_both(tmp_path, rng):
    image = read_image(written(tmp_path, "a.mha", rng.random((3, 4, 5))))
    shifted = written(tmp_path, "l.mha", rng.integers(0, 3, (3, 4, 5)), origin=(12.0, -40.0, 9.0))
    with pytest.raises(ValueError, match=r"origin \[12.0, -40.0, 9.0\].*origin \[12.0, -40.0, 7.0\]"):
        read_labels(shifted, image.grid)
    cropped = written(tmp_path, "l.mha", rng.integers(0, 3, (2, 4, 5)))
    with pytest.raises(ValueError, match=r"shape \(2, 4, 5\).*shape \(3, 4, 5\)"):
        read_labels(cropped, image.grid)


def test_rounding_in_the_header_of_a_label_map_is_tolerated(tmp_path, rng):
    image = read_image(written(tmp_path, "a.mha", rng.random((3, 4, 5))))
    values = rng.integers(0, 3, (3, 4, 5))
    path = written(tmp_path, "l.mha", values, origin=(12.0, -40.0001, 7.01))
    np.testing.assert_array_equal(read_labels(path, image.grid), values)


def test_a_screenshot_of_a_mask_is_binarised_without_its_soft_edge(tmp_path):
    grey = np.array([[0, 0, 0, 0, 0], [0, 90, 200, 255, 0], [0, 127, 128, 255, 255], [0] * 5], dtype=np.uint8)
    for values in (grey, np.repeat(grey[..., None], 3, axis=-1)):
        PIL.Image.fromarray(values).save(tmp_path / "l.png")
        np.testing.assert_array_equal(read_labels(tmp_path / "l.png", GRID), grey > 127)


def test_grey_and_palette_pictures_hold_label_numbers(tmp_path, rng):
    values = rng.integers(0, 4, (4, 5)).astype(np.uint8)
    grey = PIL.Image.fromarray(values)
    grey.save(tmp_path / "grey.png")
    palette = PIL.Image.fromarray(values, mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "grey.png", GRID), values)
    np.testing.assert_array_equal(read_labels(tmp_path / "palette.png", GRID), values)


def test_a_colour_coded_label_map_is_an_error(tmp_path, rng):
    PIL.Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8)).save(tmp_path / "l.png")
    with pytest.raises(ValueError, match="colour-coded"):
        read_labels(tmp_path / "l.png", GRID)


def test_landmarks_in_2d_are_pixels_of_the_image(tmp_path):
    grid = Grid((4, 5), np.array([[0, 0.5, 10], [2.0, 0, 20], [0, 0, 1]]))
    (tmp_path / "p.csv").write_text("id,x,y\n0,4,1\n1,0.5,3\n")
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), [[12, 22], [10.25, 26]])


def test_landmarks_in_3d_are_world_points_or_else_voxels(tmp_path, rng):
    grid = read_image(written(tmp_path, "a.mha", rng.random((3, 4, 5)))).grid
    point = apply_affine(grid.affine, torch.tensor([1.0, 2.5, 3.0], dtype=torch.float64)).numpy()
    (tmp_path / "p.csv").write_text("id,x,y,z\n0,{},{},{}\n".format(*point))
    (tmp_path / "v.tsv").write_text("id\ti\tj\tk\n0\t3\t2.5\t1\n")
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), [point], atol=1e-6)
    np.testing.assert_allclose(read_landmarks(tmp_path / "v.tsv", grid), [point], atol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_written_points_come_back(tmp_path, rng, ndim):
    image = read_image(written(tmp_path, "a.mha", rng.random((6, 7, 8)), direction=FLIPPED))
    grid = image.grid if ndim == 3 else Grid((6, 7), default_affine(2, (2.0, 3.0)))
    points = index_to_world(grid, torch.from_numpy(rng.uniform(0, 5, (9, ndim)))).numpy()
    write_points(tmp_path / "p.csv", points, grid)
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), points, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no landmarks"),
        ("id,x,y\n", "no landmarks"),
        ("id,x\n0,1\n", "no column y; found id, x"),
        ("id,x,y\n0,1,2\n1,two,3\n", "line 3"),
        ("id,x,y\n0,1,nan\n", "line 2"),
        ("id,x,y\n0,1\n", "line 2"),
        ("id,x,y\n0,-300,-200\n", "none of the 1 points lies inside"),
    ],
)
def test_bad_landmark_tables_are_errors_that_say_where(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_landmarks(tmp_path / "p.csv", GRID)


def test_landmarks_without_a_file_or_without_columns_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"p\.csv"):
        read_landmarks(tmp_path / "p.csv", GRID)
    (tmp_path / "p.csv").write_text("id,a,b\n0,1,2\n")
    with pytest.raises(ValueError, match="expected x, y, z"):
        read_landmarks(tmp_path / "p.csv", Grid((3, 4, 5), default_affine(3)))


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


@pytest.mark.parametrize("foreground", [1, 255])
def test_a_mask_written_as_png_is_label_one_when_read(tmp_path, foreground):
    mask = np.zeros((5, 6), int)
    mask[1:3, 2:5] = 1
    grid = Grid((5, 6), default_affine(2), "px")
    write_labels(tmp_path / "a.png", mask * foreground, grid)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png", grid), mask)


@pytest.mark.parametrize("label", [-1, 256])
def test_labels_that_a_png_cannot_hold_are_refused(tmp_path, label):
    labels = np.array([[0, label]])
    with pytest.raises(ValueError, match=r"PNG holds labels 0 to 255, found"):
        write_labels(tmp_path / "a.png", labels, Grid((1, 2), default_affine(2), "px"))
    assert list(tmp_path.iterdir()) == []
