import numpy as np
import pytest
from published_layouts import BACKGROUND, BUILDING, ROAD, TREES, WATER, write_picture

from promptreg.datasets.class_maps import CLASSES, SMALLEST, read_classes, regions


@pytest.fixture
def written(tmp_path):
    def write(picture):
        write_picture(tmp_path / "zh1_GT.tif", picture)
        return tmp_path / "zh1_GT.tif"

    return write


def test_every_colour_of_the_release_is_its_class_and_white_is_none(written):
    colours = [BACKGROUND, *(colour for _, colour in CLASSES.values())]
    picture = np.repeat(np.array(colours, dtype=np.uint8)[None], 2, axis=0)
    assert read_classes(written(picture)).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 2


def test_colours_are_red_first_so_that_swapped_ones_are_an_error_that_shows_them(written):
    picture = np.full((3, 4, 3), WATER, dtype=np.uint8)
    picture[1, 2] = WATER[::-1]
    with pytest.raises(ValueError, match=r"1 pixels are of no class, the first \(2, 1\) is \[150, 0, 0\]"):
        read_classes(written(picture))


def test_a_picture_of_one_channel_is_no_class_map(written):
    with pytest.raises(ValueError, match="1 values a pixel; a class map has three"):
        read_classes(written(np.zeros((3, 4), dtype=np.uint8)))


def test_regions_are_connected_also_at_corners_and_named_by_class_the_largest_first():
    classes = np.zeros((60, 60), dtype=np.int32)
    classes[:20, :20] = 2
    classes[20:40, 20:40] = 2
    classes[45:60, 40:60] = 3
    labels, names = regions(classes)
    assert names == {1: "buildings 1", 2: "trees 2"}
    assert np.array_equal(labels == 1, classes == 2)
    assert np.array_equal(labels == 2, classes == 3)


def test_regions_of_one_class_that_do_not_touch_are_several():
    classes = np.zeros((40, 80), dtype=np.int32)
    classes[5:30, 5:30] = 1
    classes[5:30, 40:60] = 1
    labels, names = regions(classes)
    assert list(names.values()) == ["roads 1", "roads 2"]
    assert (labels == 1).sum() == 625
    assert (labels == 2).sum() == 500


def test_small_regions_are_background():
    classes = np.zeros((40, 40), dtype=np.int32)
    classes[0, : SMALLEST - 161] = 6
    classes[10:20, 10:30] = 4
    classes[30:40, :19] = 5
    labels, names = regions(classes)
    assert names == {1: "grass 1"}
    assert set(np.unique(labels)) == {0, 1}


def test_colours_of_the_tests_are_those_of_classes():
    known = {colour for _, colour in CLASSES.values()}
    assert {BUILDING, TREES, WATER, ROAD} <= known
