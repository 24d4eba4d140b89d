import pytest

from promptreg.splits import part_of, parts

SUBJECTS = [f"subject {number}" for number in range(400)]
SHARES = {"test_share": 0.2, "validation_share": 0.1}


def test_no_subject_is_in_two_parts_and_none_is_lost():
    found = parts(SUBJECTS, seed=0, **SHARES)
    listed = [one for part in found.values() for one in part]
    assert sorted(listed) == sorted(SUBJECTS)


def test_the_parts_have_about_their_shares():
    found = parts(SUBJECTS, seed=0, **SHARES)
    assert len(found["test"]) / 400 == pytest.approx(0.2, abs=0.06)
    assert len(found["validation"]) / 400 == pytest.approx(0.08, abs=0.05)


def test_subjects_who_come_later_move_nobody():
    before, after = parts(SUBJECTS[:50], seed=3, **SHARES), parts(SUBJECTS, seed=3, **SHARES)
    for part, members in before.items():
        assert after[part][: len(members)] == members


def test_a_subject_that_is_listed_twice_stands_in_its_part_once():
    assert parts(["a", "b", "a"], seed=0, **SHARES) == parts(["a", "b"], seed=0, **SHARES)


def test_another_seed_splits_in_another_way():
    first, second = (parts(SUBJECTS, seed=seed, **SHARES)["test"] for seed in (0, 1))
    assert set(first) != set(second)


def test_changing_the_validation_share_leaves_the_test_as_it_is():
    few, many = (
        parts(SUBJECTS, seed=0, test_share=0.2, validation_share=share)["test"] for share in (0.0, 0.5)
    )
    assert few == many


@pytest.mark.parametrize(("share", "part"), [(0.0, "train"), (1.0, "test")])
def test_a_share_of_nothing_and_of_everything(share, part):
    assert {part_of(one, seed=0, test_share=share) for one in SUBJECTS} == {part}
