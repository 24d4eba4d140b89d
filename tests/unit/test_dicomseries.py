import locale

import numpy as np
import pytest
from published_layouts import texture, write_dicom

from promptreg.datasets.chaos import slices
from promptreg.dicomseries import read_series


@pytest.fixture
def values():
    return texture((12, 5, 6), 1).astype(np.int16)


def series(folder, values, heights):
    """Write slices at heights under the names 1.dcm, 2.dcm, ... in the order given."""
    for n, (one, height) in enumerate(zip(values, heights, strict=True), start=1):
        write_dicom(folder / f"IMG-{n}.dcm", one, (-3.0, 4.0, height), 7 - n)
    return slices(folder)


def test_slices_are_ordered_by_where_they_lie_and_not_by_name_or_instance(tmp_path, values):
    heights = 10 + 2.5 * np.arange(12)
    shuffled = np.random.default_rng(0).permutation(12)
    raster, order = read_series(series(tmp_path, values[shuffled], heights[shuffled]))
    np.testing.assert_array_equal(raster.values[0], values)
    np.testing.assert_array_equal(shuffled[order], np.arange(12))


def test_files_are_taken_by_number_so_that_ten_follows_nine(tmp_path, values):
    files = series(tmp_path, values, 2.0 * np.arange(12))
    assert [file.name for file in files][:3] == ["IMG-1.dcm", "IMG-2.dcm", "IMG-3.dcm"]


def test_reading_leaves_the_locale_of_the_process_as_it_was(tmp_path, values):
    files = series(tmp_path, values, range(len(values)))
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    try:
        read_series(files)
        assert locale.setlocale(locale.LC_ALL) == "C.UTF-8"
    finally:
        locale.setlocale(locale.LC_ALL, before)


def test_the_grid_says_where_voxels_lie_in_lps_millimetres(tmp_path, values):
    raster, _ = read_series(series(tmp_path, values, 30 - 2.5 * np.arange(12)))
    expected = [[0, 0, 1.5, -3], [0, 1.5, 0, 4], [2.5, 0, 0, 30 - 27.5], [0, 0, 0, 1]]
    np.testing.assert_allclose(raster.grid.affine, expected, atol=1e-6)
    assert raster.grid.unit == "mm"


@pytest.mark.parametrize(
    ("heights", "message"),
    [
        ([0, 2, 4, 8, 10], r"IMG-4\.dcm: lies 4\.00 mm from IMG-3\.dcm, the other slices 2\.00 mm"),
        ([0, 2, 2, 4, 6], r"IMG-3\.dcm: lies 0\.00 mm from IMG-2\.dcm"),
    ],
)
def test_a_missing_slice_or_one_twice_is_an_error_that_names_it(tmp_path, values, heights, message):
    with pytest.raises(ValueError, match=message):
        read_series(series(tmp_path, values[:5], heights))


def test_slices_of_two_series_are_an_error(tmp_path, values):
    files = series(tmp_path, values[:3], [0, 2, 4])
    write_dicom(tmp_path / "IMG-9.dcm", values[3, :, :4], (0, 0, 6), 9)
    with pytest.raises(ValueError, match=r"IMG-9\.dcm: size \(4, 5\).* is it of another series"):
        read_series([*files, tmp_path / "IMG-9.dcm"])


def test_a_damaged_file_and_a_single_one_are_errors(tmp_path, values):
    files = series(tmp_path, values[:2], [0, 2])
    files[1].write_bytes(b"DICM")
    with pytest.raises(ValueError, match=r"IMG-2\.dcm: cannot be read as DICOM"):
        read_series(files)
    with pytest.raises(ValueError, match="1 slices; a volume needs two"):
        read_series(files[:1])
