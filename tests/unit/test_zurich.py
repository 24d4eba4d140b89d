import numpy as np
import pytest
import tifffile
from published_layouts import ZURICH_INFRARED, texture, write_zurich, zurich_classes

from promptreg.datasets.class_maps import read_classes
from promptreg.datasets.zurich import Zurich, brightest_over_vegetation, read_bands


@pytest.fixture
def reader(tmp_path):
    write_zurich(tmp_path)
    return Zurich(str(tmp_path))


def test_near_infrared_is_moved_onto_colour_of_every_crop_by_number(reader):
    found = [(one.moving, one.fixed, one.fixed_subject) for one in reader.pairs()]
    assert found == [(f"zh{n}_infrared", f"zh{n}_colour", f"zurich-zh{n}") for n in (2, 7)]


def test_near_infrared_is_the_band_that_is_brightest_over_vegetation(reader, tmp_path):
    bands = read_bands(tmp_path / "Zurich_dataset_v1.0" / "images_tif" / "zh2.tif")
    others = [band for band in range(4) if band != ZURICH_INFRARED]
    assert np.array_equal(reader.image("zh2_infrared").data.numpy(), bands[[ZURICH_INFRARED]])
    assert np.array_equal(reader.image("zh2_colour").data.numpy(), bands[others])


def test_without_class_maps_near_infrared_is_the_last_band(reader, tmp_path):
    (tmp_path / "Zurich_dataset_v1.0" / "groundtruth" / "zh7_GT.tif").unlink()
    again = Zurich(str(tmp_path))
    bands = read_bands(again.place("zh7_infrared"))
    assert np.array_equal(again.image("zh7_infrared").data.numpy(), bands[[3]])
    assert all("fixed_labels" not in pair.annotations for pair in again.pairs())


def test_a_class_map_labels_both_images_of_its_crop(reader):
    without, pair = reader.pairs()
    assert "fixed_labels" not in without.annotations
    assert pair.annotations["moving_labels"] == pair.annotations["fixed_labels"]
    labels = reader.labels(pair.annotations["fixed_labels"], reader.image(pair.fixed).grid)
    assert (labels == 2).sum() == (zurich_classes() == (100, 100, 100)).all(axis=-1).sum()
    assert reader.label_names(pair.pair)[6] == "water"


def test_a_class_map_of_another_size_is_an_error(reader):
    pair = reader.pairs()[1]
    from promptreg.types import Grid

    with pytest.raises(ValueError, match=r"zh7_GT\.tif: \(330, 640\) pixels, the image has \(10, 10\)"):
        reader.labels(pair.annotations["fixed_labels"], Grid((10, 10), np.eye(3), "px"))


@pytest.mark.parametrize("order", ["last", "first"])
def test_bands_are_read_whether_they_come_first_or_last(tmp_path, order):
    bands = np.stack([texture((12, 15), n).astype(np.uint16) for n in range(4)])
    stored = bands if order == "first" else np.moveaxis(bands, 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig="contig")
    assert np.array_equal(read_bands(tmp_path / "a.tif"), bands.astype(np.float32))


def test_other_files_are_errors_that_name_them(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.tif: cannot be read as TIFF"):
        read_bands(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((12, 15, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"b\.tif: array of shape \(12, 15, 3\); expected .* four bands"):
        read_bands(tmp_path / "b.tif")


def test_too_little_vegetation_tells_nothing(reader, tmp_path):
    classes = read_classes(tmp_path / "Zurich_dataset_v1.0" / "groundtruth" / "zh7_GT.tif")
    bands = read_bands(tmp_path / "Zurich_dataset_v1.0" / "images_tif" / "zh7.tif")
    assert brightest_over_vegetation(bands, classes) == ZURICH_INFRARED
    bare = np.where(classes == 3, 0, classes)
    assert brightest_over_vegetation(bands, bare) is None
    green = np.full_like(classes, 4)
    green[:, :20] = 0
    assert brightest_over_vegetation(bands, green) in range(4)
