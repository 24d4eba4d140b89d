import pytest

from promptreg.splits import extended, part_of, parts

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


def counts(table):
    return [sum(one == part for one in table.values()) for part in ("test", "validation", "train")]


def test_a_table_holds_exactly_its_shares():
    assert counts(extended({}, SUBJECTS[:20], seed=0, **SHARES)) == [4, 2, 14]
    assert counts(extended({}, SUBJECTS, seed=3, **SHARES)) == [80, 32, 288]
    assert counts(extended({}, SUBJECTS[:5], seed=0, test_share=0.2)) == [1, 0, 4]


def test_a_table_is_added_to_and_nobody_in_it_is_moved():
    first = extended({}, SUBJECTS[:20], seed=0, **SHARES)
    more = extended(first, SUBJECTS[10:45], seed=0, **SHARES)
    assert list(more.items())[:20] == list(first.items())
    assert list(more) == SUBJECTS[:45]
    assert counts(more) == [9, 4, 32]


def test_a_table_that_holds_too_many_is_not_corrected_by_moving_anybody():
    table = dict.fromkeys(SUBJECTS[:4], "test")
    assert counts(extended(table, SUBJECTS[:8], seed=0, test_share=0.2)) == [4, 0, 4]


def test_a_table_is_drawn_by_the_seed_whatever_the_order_of_the_subjects():
    one, other = (extended({}, order, seed=0, **SHARES) for order in (SUBJECTS[:40], SUBJECTS[39::-1]))
    assert one == other
    assert one != extended({}, SUBJECTS[:40], seed=1, **SHARES)
