"""Label maps are read and written with their numbers and on their grid."""

import numpy as np
import PIL.Image
import pytest
from itk_files import written

from promptreg.geometry import default_affine
from promptreg.imageio import (
    read_image,
    read_labels,
    write_labels,
)
from promptreg.types import Grid

GRID = Grid((4, 5), default_affine(2), "px")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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
