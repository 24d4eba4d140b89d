"""Files that are no images, or not the images that they should be."""

import gzip

import nibabel
import numpy as np
import PIL.Image
import pytest
import tifffile
from itk_files import raw_mha, written

from promptreg.imageio import (
    read_image,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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
