from promptreg.seeds import derive_seed


def test_a_seed_is_the_same_in_every_run_and_fits_63_bits():
    assert derive_seed(0, "abdomen", "case_01", "view", 3) == 3724843300208607080
    assert all(0 <= derive_seed("draw", k) < 2**63 for k in range(1000))


def test_seeds_differ_by_part_by_order_and_by_where_parts_are_split():
    draws = [
        (0, "a", "b"),
        (0, "b", "a"),
        (0, "ab"),
        (0, "a,b"),
        ("0", "a", "b"),
        (1, "a", "b"),
        (0, "a", "b", 0),
    ]
    assert len({derive_seed(*parts) for parts in draws}) == len(draws)
