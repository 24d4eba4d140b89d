import pytest

from promptreg.datasets.cohort import PARTNERS, SUBJECTS, Cohort
from promptreg.splits import part_of


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_subject_is_as_often_moving_as_fixed_and_never_with_itself(ndim):
    pairs = [pair for pair in Cohort().pairs() if pair.dimension == ndim]
    assert len(pairs) == SUBJECTS[ndim] * PARTNERS[ndim]
    for side in ("moving", "fixed"):
        names = [getattr(pair, side) for pair in pairs]
        assert len(set(names)) == SUBJECTS[ndim]
        assert all(names.count(name) == PARTNERS[ndim] for name in set(names))
    assert all(pair.moving_subject != pair.fixed_subject for pair in pairs)


def test_no_two_pairs_are_the_same_two_subjects():
    pairs = Cohort().pairs()
    assert len({frozenset((pair.moving, pair.fixed)) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_default_split_leaves_pairs_to_train_on_and_pairs_to_test(ndim):
    pairs = [pair for pair in Cohort().pairs() if pair.dimension == ndim]
    parts = [
        {
            part_of(one, seed=0, test_share=0.2, validation_share=0.1)
            for one in (pair.moving_subject, pair.fixed_subject)
        }
        for pair in pairs
    ]
    assert parts.count({"train"}) >= 12
    assert parts.count({"test"}) >= 1


def test_an_unknown_subject_and_a_path_are_errors():
    for wrong in ("plane-60", "plane-7", "volume-16", "plane-07_mask", "liver-01"):
        with pytest.raises(ValueError, match=f"'{wrong}'; subjects are plane-00 to plane-59, volume-00"):
            Cohort().image(wrong)
    with pytest.raises(ValueError, match="needs no files"):
        Cohort("somewhere")


def test_annotations_of_another_grid_are_errors():
    plane, volume = (Cohort().image(name).grid for name in ("plane-00", "volume-00"))
    with pytest.raises(ValueError, match=r"labels 'plane-00_labels' have shape \(96, 96\)"):
        Cohort().labels("plane-00_labels", volume)
    with pytest.raises(ValueError, match="landmarks 'volume-00_landmarks' are 3D, the image is 2D"):
        Cohort().landmarks("volume-00_landmarks", plane)
