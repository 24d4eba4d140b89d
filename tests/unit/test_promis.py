import shutil

import pytest
from published_layouts import write_promis

from promptreg.datasets.promis import Promis


@pytest.fixture
def folder(tmp_path):
    write_promis(tmp_path)
    return tmp_path


def test_first_scans_are_moved_onto_the_first_subject_and_later_ones_onto_their_own(folder):
    found = [(one.pair, one.group) for one in Promis(str(folder)).pairs()]
    assert found == [
        ("p7_study_0_to_p10_study_0", "between subjects"),
        ("p8_study_0_to_p10_study_0", "between subjects"),
        ("p8_study_0_to_p7_study_0", "between subjects"),
        ("p10_study_1_to_p10_study_0", "same subject"),
    ]


def test_all_studies_of_a_subject_are_the_same_person(folder):
    *_, followed = Promis(str(folder)).pairs()
    assert followed.moving_subject == followed.fixed_subject == "promis-p10"


def test_a_scan_without_a_mask_is_listed_without_labels(folder):
    pair = Promis(str(folder)).pairs()[1]
    assert set(pair.annotations) == {"fixed_labels"}


def test_masks_of_floating_point_are_label_1(folder):
    reader = Promis(str(folder))
    pair = reader.pairs()[0]
    image = reader.image(pair.fixed)
    labels = reader.labels(pair.annotations["fixed_labels"], image.grid)
    assert image.grid.spacing.tolist() == [1.0, 0.5, 0.5]
    assert set(labels.flat) == {0, 1}
    assert reader.label_names(pair.pair) == {1: "prostate gland"}


def test_the_inner_folder_may_be_opened_as_well(folder):
    assert Promis(str(folder / "prostate_mri")).pairs()[0].pair == "p7_study_0_to_p10_study_0"


def test_a_folder_of_scans_of_another_form_is_an_error(folder):
    shutil.rmtree(folder / "prostate_mri" / "scan")
    (folder / "prostate_mri" / "scan").mkdir()
    with pytest.raises(ValueError, match="expected a folder `prostate_mri`"):
        Promis(str(folder)).pairs()
