import pytest

from promptreg.config import Dataset, Train
from promptreg.datasets.pairing import Scan, between, pair, within
from promptreg.pair_choice import Scope, chosen, subjects_of

PARTS = {"a": "train", "b": "test", "c": "train", "d": "test", "e": "test", "f": "validation"}
SCANS = [Scan(name, f"{name}1") for name in PARTS]
LISTED = [
    *between(SCANS, group="T2", source="s"),
    *within([*SCANS, Scan("b", "b2"), Scan("c", "c2")], group="same", source="s"),
]
TEST = Scope(Train(test_only=True))


def names(scope=None, **changes):
    spec = Dataset(name="d", reader="chaos", **changes)
    return [one.pair for one in chosen(LISTED, spec, scope or Scope(), PARTS.__getitem__)]


def test_without_wishes_all_pairs_take_part_in_their_order():
    assert names() == [one.pair for one in LISTED]
    assert len(names()) == 15 + 2


def test_only_wanted_groups_take_part_and_an_unknown_one_is_an_error_that_names_the_known():
    assert names(groups=["same"]) == ["b2_to_b1", "c2_to_c1"]
    with pytest.raises(ValueError, match="no pair is of 'T1'; there are 'T2', 'same'"):
        names(groups=["T1"])


def test_an_application_is_what_all_pairs_are_called():
    spec = Dataset(name="d", reader="chaos", application="MR-Abdomen")
    assert {one.group for one in chosen(LISTED, spec, Scope(), PARTS.__getitem__)} == {"MR-Abdomen"}


def test_the_standard_reference_of_all_is_the_first_subject_of_the_list():
    assert names(groups=["T2"], reference=True) == [f"{one}1_to_a1" for one in "bcdef"]


def test_pairs_within_a_subject_are_kept_beside_those_onto_the_reference():
    assert names(reference=True)[-2:] == ["b2_to_b1", "c2_to_c1"]


def test_the_standard_reference_of_the_test_is_its_first_subject_and_training_pairs_are_all_kept():
    found = names(TEST, groups=["T2"], reference=True)
    assert found == ["c1_to_a1", "f1_to_a1", "d1_to_b1", "e1_to_b1", "f1_to_c1"]


def test_of_many_pairs_to_train_on_the_first_are_kept():
    scope = Scope(Train(test_only=True), most_training=2)
    assert names(scope, groups=["T2"], reference=True) == ["c1_to_a1", "f1_to_a1", "d1_to_b1", "e1_to_b1"]


def test_where_nothing_is_trained_only_the_test_is_read():
    scope = Scope(Train(test_only=True), training=False)
    assert names(scope, reference=True) == ["d1_to_b1", "e1_to_b1", "b2_to_b1"]
    assert names(scope) == ["d1_to_b1", "e1_to_b1", "e1_to_d1", "b2_to_b1"]


def test_pairs_of_a_subject_in_the_test_and_one_in_training_are_of_no_use_on_the_test():
    for one in names(TEST):
        moving, fixed = (side[0] for side in one.split("_to_"))
        assert (PARTS[moving] == "test") == (PARTS[fixed] == "test")


def test_the_reference_of_a_group_is_that_of_no_other():
    listed = [
        *between(SCANS[:3], group="T2", source="s"),
        *between(SCANS[1:], group="T1", source="s"),
    ]
    spec = Dataset(name="d", reader="chaos", reference=True)
    kept = chosen(listed, spec, Scope(), PARTS.__getitem__)
    assert {(one.group, one.fixed) for one in kept} == {("T2", "a1"), ("T1", "b1")}


def test_subjects_who_are_never_paired_with_the_reference_have_one_of_their_own():
    listed = [*between(SCANS[:3], group="g", source="s"), *between(SCANS[3:], group="g", source="s")]
    spec = Dataset(name="d", reader="promise12", reference=True)
    kept = chosen(listed, spec, Scope(), PARTS.__getitem__)
    assert [one.pair for one in kept] == ["b1_to_a1", "c1_to_a1", "e1_to_d1", "f1_to_d1"]


def test_a_limit_counts_what_is_left_of_all_other_wishes():
    assert names(groups=["T2"], reference=True, limit=2) == ["b1_to_a1", "c1_to_a1"]


def test_nothing_left_is_an_error_that_says_what_was_asked():
    with pytest.raises(ValueError, match=r"no pair left of 17 listed, dimension=2, groups=\[\]"):
        names(dimension=2)
    for training in (True, False):
        scope = Scope(Train(test_only=True), training=training)
        with pytest.raises(ValueError, match="test_only=True"):
            chosen(LISTED, Dataset(name="d"), scope, lambda subject: "train")


def test_an_image_of_which_nothing_is_said_is_a_subject_of_its_own():
    one = pair(Scan("", "m"), Scan("ann", "f"), group="g", source="s")
    assert subjects_of(one) == ("m", "ann")
