import numpy as np
import pytest
from published_layouts import chaos_labels, write_chaos, write_dicom, write_picture

from promptreg.datasets.chaos import Chaos, organs


@pytest.fixture
def folder(tmp_path):
    write_chaos(tmp_path)
    return tmp_path


def labels_of(reader, image):
    pair = next(one for one in reader.pairs() if image in (one.moving, one.fixed))
    side = "moving" if pair.moving == image else "fixed"
    return reader.labels(pair.annotations[f"{side}_labels"], reader.image(image).grid)


def test_subjects_are_paired_within_a_sequence_and_each_with_itself_across_sequences(folder):
    found = [(one.pair, one.group) for one in Chaos(str(folder)).pairs()]
    assert found == [
        ("t2-10_to_t2-02", "T2-SPIR"),
        ("t1in-10_to_t1in-02", "T1 in phase"),
        ("t1out-10_to_t1out-02", "T1 out of phase"),
        ("t1in-02_to_t2-02", "T1 to T2, same subject"),
        ("t1in-10_to_t2-10", "T1 to T2, same subject"),
    ]


def test_a_subject_is_the_same_person_in_every_sequence(folder):
    subjects = {one.fixed: one.fixed_subject for one in Chaos(str(folder)).pairs()}
    assert subjects["t2-02"] == subjects["t1in-02"] == subjects["t1out-02"] == "chaos-02"


def test_organs_of_png_lie_in_the_slices_of_their_numbers(folder):
    reader = Chaos(str(folder))
    for subject in (2, 10):
        for sequence, n_slices in (("t2", 11), ("t1in", 10), ("t1out", 10)):
            found = labels_of(reader, f"{sequence}-{subject:02d}")
            np.testing.assert_array_equal(found, chaos_labels(n_slices, subject))


def test_images_are_brighter_where_their_labels_are(folder):
    reader = Chaos(str(folder))
    image = reader.image("t2-02")
    labels = labels_of(reader, "t2-02")
    values = image.data[0].numpy()
    assert values[labels > 0].mean() > values[labels == 0].mean() + 60
    assert image.grid.spacing.round(3).tolist() == [7.7, 1.5, 1.5]


def test_organs_have_ranges_of_grey_and_other_greys_are_background():
    greys = np.array([0, 54, 55, 63, 70, 71, 110, 126, 135, 175, 189, 200, 239, 240, 252, 255])
    assert organs(greys).tolist() == [0, 0, 1, 1, 1, 0, 2, 2, 2, 3, 3, 3, 0, 4, 4, 4]


def test_an_absent_organ_moves_no_other(folder):
    assert set(np.unique(labels_of(Chaos(str(folder)), "t2-10"))) == {0, 1, 2, 3}


def test_the_folder_of_subjects_may_be_opened_as_well(folder):
    assert Chaos(str(folder / "Train_Sets")).pairs()[0].pair == "t2-10_to_t2-02"
    assert Chaos(str(folder / "Train_Sets" / "MR")).pairs()[0].pair == "t2-10_to_t2-02"


def test_a_slice_without_its_png_is_an_error_of_that_image(folder):
    ground = folder / "Train_Sets" / "MR" / "10" / "T2SPIR" / "Ground"
    next(ground.iterdir()).unlink()
    with pytest.raises(ValueError, match=r"Ground: 10 PNG; .*DICOM_anon has 11 slices"):
        labels_of(Chaos(str(folder)), "t2-10")


def test_a_png_of_another_size_or_without_organs_is_an_error_that_names_it(folder):
    ground = folder / "Train_Sets" / "MR" / "10" / "T2SPIR" / "Ground"
    files = sorted(ground.iterdir())
    write_picture(files[0], np.zeros((3, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=rf"{files[0].name}: \(3, 3\) pixels; slices have \(12, 14\)"):
        labels_of(Chaos(str(folder)), "t2-10")
    for file in files:
        write_picture(file, np.full((12, 14), 99, dtype=np.uint8))
    with pytest.raises(ValueError, match="no pixel has the grey value of an organ"):
        labels_of(Chaos(str(folder)), "t2-10")


def test_a_gap_between_slices_is_an_error_of_that_image(folder):
    dicom = folder / "Train_Sets" / "MR" / "2" / "T2SPIR" / "DICOM_anon"
    write_dicom(dicom / "IMG-0004-1.dcm", np.eye(12, 14), (-8.0, 5.0, 300.0), 1)
    with pytest.raises(ValueError, match="is a slice missing"):
        Chaos(str(folder)).image("t2-02")


def test_the_stamp_follows_slices_and_png(folder):
    reader = Chaos(str(folder))
    pair = reader.pairs()[0]
    reference = pair.annotations["moving_labels"]
    before = (reader.stamp(pair.moving), reader.stamp(reference))
    ground = folder / "Train_Sets" / "MR" / "10" / "T2SPIR" / "Ground"
    write_picture(next(ground.iterdir()), np.zeros((12, 14), dtype=np.uint8))
    assert reader.stamp(pair.moving) == before[0]
    assert reader.stamp(reference) != before[1]
