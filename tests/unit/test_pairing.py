from promptreg.datasets.pairing import REFERENCES, Scan, between, first_of_each, pair, within

SCANS = [Scan(name, f"{name}-1", f"{name}.mask") for name in "abcd"]


def test_a_pair_names_both_images_and_carries_what_is_known_of_each():
    one = pair(
        Scan("ann", "m", labels="m.mask"),
        Scan("bob", "f", landmarks="f.csv"),
        group="g",
        source="s",
        dimension=2,
    )
    assert (one.pair, one.moving, one.fixed) == ("m_to_f", "m", "f")
    assert one.annotations == {"moving_labels": "m.mask", "fixed_landmarks": "f.csv"}
    assert (one.moving_subject, one.fixed_subject, one.group, one.source) == ("ann", "bob", "g", "s")
    assert one.dimension == 2


def test_pairs_onto_the_first_subject_come_first():
    fixed = [one.fixed_subject for one in between(SCANS, group="g", source="s")]
    assert fixed == ["a", "a", "a", "b", "b", "c"]


def test_two_subjects_are_paired_once_and_never_with_themselves():
    found = [{one.moving_subject, one.fixed_subject} for one in between(SCANS, group="g", source="s")]
    assert len({frozenset(one) for one in found}) == len(found) == 6
    assert all(len(one) == 2 for one in found)


def test_whatever_part_of_the_subjects_is_taken_its_first_is_a_reference_for_all_others():
    part = {"b", "d", "c"}
    inside = [
        one
        for one in between(SCANS, group="g", source="s")
        if {one.moving_subject, one.fixed_subject} <= part
    ]
    assert {one.moving_subject for one in inside if one.fixed_subject == "b"} == {"c", "d"}


def test_a_large_data_set_does_not_square():
    many = [Scan(str(n), str(n)) for n in range(200)]
    pairs = list(between(many, group="g", source="s"))
    assert len(pairs) == sum(199 - n for n in range(REFERENCES))
    assert len({one.fixed for one in pairs}) == REFERENCES


def test_later_scans_of_a_subject_are_moved_onto_its_first():
    scans = [*SCANS, Scan("a", "a-2"), Scan("b", "b-2"), Scan("a", "a-3")]
    found = [(one.moving, one.fixed) for one in within(scans, group="g", source="s")]
    assert found == [("a-2", "a-1"), ("b-2", "b-1"), ("a-3", "a-1")]
    assert first_of_each(scans) == SCANS
