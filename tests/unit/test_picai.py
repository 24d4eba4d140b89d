import numpy as np
import pytest
from published_layouts import write_picai

from promptreg.datasets.picai import Picai


@pytest.fixture
def folder(tmp_path):
    write_picai(tmp_path)
    return tmp_path


def test_pairs_are_listed_once_for_each_kind_of_labels_the_first_patient_by_number_as_reference(folder):
    found = [(one.pair, one.group) for one in Picai(str(folder)).pairs()]
    assert found == [
        ("10795_1000811_to_9999_1000001-gland", "gland"),
        ("9999_1000002_to_9999_1000001-gland", "gland, same patient"),
        ("10795_1000811_to_9999_1000001-zones", "zones"),
    ]


def test_kinds_share_their_images(folder):
    glands, _, zones = Picai(str(folder)).pairs()
    assert (glands.moving, glands.fixed) == (zones.moving, zones.fixed)
    assert (glands.moving_subject, glands.fixed_subject) == ("picai-10795", "picai-9999")


def test_oblique_grids_and_their_labels_belong_together(folder):
    reader = Picai(str(folder))
    zones = reader.pairs()[-1]
    image = reader.image(zones.moving)
    assert abs(image.grid.affine[1, 0]) > 0.1
    labels = reader.labels(zones.annotations["moving_labels"], image.grid)
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert reader.label_names(zones.pair) == {1: "peripheral zone", 2: "transition zone"}
    assert reader.label_names(reader.pairs()[0].pair) == {1: "prostate gland"}


def test_without_labels_there_is_nothing_to_measure_and_so_no_pair(folder):
    (folder / "picai_labels").rename(folder / "elsewhere")
    with pytest.raises(ValueError, match=r"expected a folder with images/.* and picai_labels"):
        Picai(str(folder)).pairs()
