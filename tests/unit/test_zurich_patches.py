import numpy as np
import pytest
from published_layouts import ZURICH_MOTION, seen_through, write_zurich_patches, zurich_classes

from promptreg.datasets.rigid_patches import inside, mapped
from promptreg.datasets.zurich_patches import SIDE, ZurichPatches, crop


@pytest.fixture
def reader(tmp_path):
    write_zurich_patches(tmp_path)
    return ZurichPatches(str(tmp_path))


def test_colour_comes_first_and_patches_of_one_image_have_one_subject(reader):
    pairs = reader.pairs()
    assert [(one.fixed, one.group) for one in pairs] == [
        ("B1_zh7_01_01_R", "colour, level 1"),
        ("B1_zh7_01_02_R", "colour, level 1"),
        ("A1_zh7_01_01_R", "near infrared, level 1"),
        ("A1_zh7_01_02_R", "near infrared, level 1"),
    ]
    assert {one.fixed_subject for one in pairs} == {"zurich-zh7"}


def test_colours_are_stored_blue_first_and_read_red_first(reader):
    red, green, blue = reader.image("B1_zh7_01_01_R").data.mean(dim=(1, 2))
    assert red < green < blue
    assert reader.image("A1_zh7_01_01_R").data.shape == (1, SIDE, SIDE)


def test_a_patch_is_the_middle_of_its_cell_of_the_class_map():
    rows, columns = np.mgrid[:330, :640]
    first = crop(rows, "zh7_01_01", "map"), crop(columns, "zh7_01_01", "map")
    second = crop(columns, "zh7_01_02", "map")
    assert (first[0][0, 0], first[1][0, 0]) == (15, 10)
    assert second[0, 0] == 330
    assert first[0].shape == (SIDE, SIDE)


@pytest.mark.parametrize("patch", ["zh7_02_01", "zh7_01_03", "zh7_00_01", "holiday"])
def test_a_patch_that_is_in_no_cell_is_an_error_that_says_how_many_there_are(patch):
    with pytest.raises(ValueError, match=rf"map: \(330, 640\) pixels hold 1 x 2 patches, none is '{patch}'"):
        crop(np.zeros((330, 640)), patch, "map")


def test_regions_of_one_class_are_labels_with_names(reader):
    pair = reader.pairs()[0]
    grid = reader.image(pair.fixed).grid
    labels = reader.labels(pair.annotations["fixed_labels"], grid)
    names = reader.label_names(pair.pair)
    assert {name.rpartition(" ")[0] for name in names.values()} >= {"buildings", "trees"}
    assert set(np.unique(labels)) - {0} == set(names)
    building = next(label for label, name in names.items() if name.startswith("buildings"))
    truth = crop((zurich_classes() == (100, 100, 100)).all(axis=-1), "zh7_01_01", "map")
    assert np.array_equal(labels == building, truth)


def test_regions_on_t_are_those_on_r_under_the_known_motion_and_cut_ones_are_gone(reader):
    pair = reader.pairs()[0]
    grid = reader.image(pair.fixed).grid
    on_t, on_r = (reader.labels(pair.annotations[f"{side}_labels"], grid) for side in ("moving", "fixed"))
    y, x = np.mgrid[:SIDE, :SIDE]
    seen = inside(mapped(ZURICH_MOTION, np.stack([x, y], axis=-1).astype(float)), (SIDE, SIDE))
    assert np.array_equal(seen_through(on_r, ZURICH_MOTION, order=0)[seen], on_t[seen])
    assert set(np.unique(on_t)) == set(np.unique(on_r))
    road = crop((zurich_classes() == (0, 0, 0)).all(axis=-1), "zh7_01_01", "map")
    assert not on_r[road].any()


def test_without_class_maps_there_are_points_alone(reader, tmp_path):
    (tmp_path / "Zurich_dataset_v1.0" / "groundtruth" / "zh7_GT.tif").unlink()
    again = ZurichPatches(str(tmp_path))
    for pair in again.pairs():
        assert set(pair.annotations) == {"moving_landmarks", "fixed_landmarks"}
        assert again.label_names(pair.pair) == {}


def test_class_maps_may_lie_beside_the_patches_without_their_outer_folder(reader, tmp_path):
    (tmp_path / "Zurich_dataset_v1.0" / "groundtruth").rename(tmp_path / "groundtruth")
    again = ZurichPatches(str(tmp_path))
    assert "|groundtruth/zh7_GT.tif#" in again.pairs()[0].annotations["fixed_labels"]
