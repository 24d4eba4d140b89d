import json

import numpy as np
import pytest
from published_layouts import (
    LUNG_SHAPE,
    lung_points,
    lungs,
    write_learn2reg,
    write_learn2reg_unpaired,
    write_lung2020,
)

from promptreg.datasets.learn2reg import Learn2Reg
from promptreg.datasets.lung2020 import Lung2020
from promptreg.disclosure import has_seen
from promptreg.registry import MODELS


@pytest.fixture
def lung(tmp_path):
    write_learn2reg(tmp_path / "lung")
    return Learn2Reg(str(tmp_path / "lung"))


@pytest.fixture
def hippocampus(tmp_path):
    write_learn2reg_unpaired(tmp_path / "hippocampus")
    return Learn2Reg(str(tmp_path / "hippocampus"))


def edit(reader, **changes):
    """The reader of the same folder after changes to its JSON file."""
    stated = json.loads(reader.json_file.read_text())
    reader.json_file.write_text(json.dumps(stated | changes))
    return Learn2Reg(str(reader.root))


def test_a_pair_of_the_validation_is_no_pair_of_the_training_and_manual_landmarks_are_said(lung):
    found = [(one.pair, one.group, one.fixed_subject) for one in lung.pairs()]
    assert found == [
        ("LungCT_0002_0001_to_LungCT_0002_0000", "training", "lungct-0002"),
        ("LungCT_0001_0001_to_LungCT_0001_0000", "validation, manual landmarks", "lungct-0001"),
    ]


def test_pairs_of_the_test_are_listed_once_something_can_be_measured_on_them(lung):
    for n in (0, 1):
        keypoints = lung.root / "LungCT" / "keypointsTs" / f"LungCT_0021_000{n}.csv"
        keypoints.parent.mkdir(exist_ok=True)
        keypoints.write_text("1,1,1\n")
    assert Learn2Reg(str(lung.root)).pairs()[-1].group == "test"


def test_manual_landmarks_are_preferred_to_automatic_keypoints(lung):
    training, validation = lung.pairs()
    assert "keypointsTr" in training.annotations["fixed_landmarks"]
    assert "landmarksTr" in validation.annotations["fixed_landmarks"]


def test_scans_of_both_releases_lie_on_one_another_once_axes_are_flipped(lung, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    write_lung2020(folder)
    first = Lung2020(str(folder))
    old, new = first.image("case_001_exp"), lung.image("LungCT_0001_0000")
    _, mask = lungs("exp")
    pair = lung.pairs()[1]
    labels = lung.labels(pair.annotations["fixed_labels"], new.grid)
    assert np.array_equal(labels > 0, mask[:, ::-1, ::-1] > 0)
    assert old.data.shape == new.data.shape == (1, *LUNG_SHAPE)
    sides = first.labels(first.pairs()[0].annotations["fixed_labels"], old.grid)
    assert np.array_equal(labels, sides[:, ::-1, ::-1])


def test_points_are_voxels_of_each_image_and_lie_at_the_same_tissue_in_both_releases(lung):
    pair = lung.pairs()[1]
    grid = lung.image(pair.moving).grid
    found = lung.landmarks(pair.annotations["moving_landmarks"], grid)
    index = (lung_points()[:2, 3:] * [-1, -1, 1] + [LUNG_SHAPE[2] - 1, LUNG_SHAPE[1] - 1, 0])[:, ::-1]
    assert np.allclose(found, index @ grid.affine[:3, :3].T + grid.affine[:3, 3], atol=1e-3)


def test_without_pairs_for_training_images_are_paired_and_the_validation_is_spared(hippocampus):
    found = [
        (one.pair.replace("HippocampusMR_", "").replace("_0000", ""), one.group)
        for one in hippocampus.pairs()
    ]
    assert found == [
        ("0002_to_0001", "training"),
        ("0003_to_0001", "training"),
        ("0003_to_0002", "training"),
        ("0202_to_0201", "validation"),
    ]
    assert hippocampus.pairs()[0].source == "MSD"


def test_names_of_labels_are_those_of_the_json_file_also_by_modality(hippocampus, lung):
    pair = hippocampus.pairs()[0].pair
    assert hippocampus.label_names(pair) == {1: "anterior", 2: "posterior"}
    flat = edit(hippocampus, labels={"0": "background", "1": "liver"})
    assert flat.label_names(pair) == {1: "liver"}
    assert lung.label_names(lung.pairs()[0].pair) == {1: "right lung", 2: "left lung"}


def test_two_tasks_in_one_folder_are_an_error_that_names_the_second(lung):
    other = lung.root / "NLST"
    other.mkdir()
    (other / "NLST_dataset.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"2 tasks, such as NLST_dataset\.json; set `path` to the folder of one"
    ):
        Learn2Reg(str(lung.root)).pairs()
    assert len(Learn2Reg(str(lung.root / "LungCT")).pairs()) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no pairs; expected a list under"),
        ('{"registration_val": [{"fixed": "a"}]}', "entry 0 of 'registration_val' is"),
        ('{"training": ["a.nii.gz"]}', "entry 0 of 'training' is 'a.nii.gz'"),
    ],
)
def test_a_json_file_that_names_no_pairs_is_an_error(tmp_path, text, words):
    (tmp_path / "OASIS_dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"OASIS_dataset\.json") as error:
        Learn2Reg(str(tmp_path)).pairs()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("write", "source"), [(write_learn2reg_unpaired, "MSD"), (write_learn2reg, "LungCT")]
)
def test_pairs_name_the_data_set_that_a_tasks_images_come_from(tmp_path, write, source):
    write(tmp_path)
    assert {pair.source for pair in Learn2Reg(str(tmp_path)).pairs()} == {source}


def test_networks_that_have_seen_that_data_set_are_known(tmp_path):
    write_learn2reg_unpaired(tmp_path)
    source = Learn2Reg(str(tmp_path)).pairs()[0].source
    assert has_seen(MODELS["segvol"], source)
    assert not has_seen(MODELS["sam_vit_b"], source)
