from dataclasses import replace

import pytest
from published_layouts import write_chaos
from stub_releases import write_stubs

from promptreg.config import Dataset, Train
from promptreg.pair_choice import Scope
from promptreg.settings import ConfigError
from promptreg.shards import DatasetPlan

TRAIN = Train(test_share=0.0)


@pytest.fixture
def planned(tmp_path):
    """Plan the small CHAOS, subjects 02 and 10, with a table that has 10 in the test and wishes."""
    write_chaos(tmp_path / "chaos")
    (tmp_path / "split.tsv").write_text("subject\tpart\nchaos-10\ttest\n")

    def plan(scope=None, **wishes):
        spec = {"name": "d", "reader": "chaos", "path": str(tmp_path / "chaos")} | wishes
        return DatasetPlan(Dataset.model_validate(spec), None, 2, scope)

    plan.table = str(tmp_path / "split.tsv")
    return plan


def test_a_table_says_who_is_in_the_test_and_chance_for_who_stands_in_none(planned):
    one = planned(split=planned.table)
    assert one.part_of("t2-10", TRAIN, 0) == "test"
    assert one.part_of("t2-02", TRAIN, 0) != "test"
    assert one.part_of("t2-02", Train(test_share=1.0), 0) == "test"
    assert planned().part_of("t2-10", TRAIN, 0) != "test"


def test_a_missing_or_bad_table_is_an_error_that_names_the_data_set(planned, tmp_path):
    with pytest.raises(ConfigError, match=r"data set 'd': .*gone\.tsv: no such table of a split"):
        _ = planned(split=str(tmp_path / "gone.tsv")).pairs


def test_the_pairs_of_a_run_on_the_test_are_those_of_the_table(planned):
    scope = Scope(Train(test_only=True, test_share=0.0), training=False)
    one = planned(scope, split=planned.table)
    assert [pair.pair for pair in one.pairs] == ["t1in-10_to_t2-10"]
    assert [image.image for image in one.images] == ["t1in-10", "t2-10"]


def test_wishes_of_the_data_set_reach_the_choice_of_pairs(planned):
    one = planned(groups=["T2-SPIR"], application="MR-Abdomen")
    assert [(pair.pair, pair.group) for pair in one.pairs] == [("t2-10_to_t2-02", "MR-Abdomen")]
    with pytest.raises(ConfigError, match="data set 'd': groups: no pair is of 'T3'"):
        _ = planned(groups=["T3"]).pairs


def test_pairs_to_train_on_have_shards_of_their_own_that_methods_do_not_run_on(tmp_path):
    write_stubs(tmp_path, men=60, cores=3)
    spec = Dataset(name="d", reader="promis", path=str(tmp_path / "promis"), reference=True)
    one = DatasetPlan(spec, None, 4, Scope(Train(test_only=True)))
    train, seed = Train(test_only=True), 0
    tested = one.tested_pairs(train, seed)
    assert [pair for shard in one.shards() for pair in one.in_shard(shard)] == tested
    assert len(one.shards()) == -(-len(tested) // 4)
    assert [int(shard) for shard in one.all_shards()[len(one.shards()) :]][:2] == [10_000, 10_001]
    assert sorted(pair.pair for shard in one.all_shards() for pair in one.in_shard(shard)) == sorted(
        pair.pair for pair in one.pairs
    )
    assert all(pair in one.in_shard(one.shard_of(pair.pair)) for pair in one.pairs)
    assert len({pair.fixed for pair in tested}) == 1


def test_no_more_pairs_are_trained_on_than_wanted(planned):
    one = planned(Scope(TRAIN, most_training=2))
    assert sum(map(len, one.training_pairs(TRAIN, 0).values())) == 2
    assert len(one.pairs) == 5


def of_table(tmp_path, text, **wishes):
    (tmp_path / "pairs.csv").write_text(f"pair_id,moving,fixed,dimension\n{text}")
    spec = {"name": "d", "path": str(tmp_path / "pairs.csv")} | wishes
    return DatasetPlan(Dataset.model_validate(spec), None, 2)


def test_a_pair_that_is_called_as_the_twin_of_another_is_refused(tmp_path):
    plan = of_table(tmp_path, "p,a,b,2\np_reversed,c,d,2\n", both_ways=True)
    with pytest.raises(ConfigError, match="'p_reversed' is the name of two pairs"):
        _ = plan.pairs


def test_a_pair_whose_name_any_reader_makes_of_a_hostile_file_is_refused(planned, monkeypatch):
    plan = planned()
    listed = plan.reader.pairs()
    monkeypatch.setattr(plan.reader, "pairs", lambda: [replace(listed[0], pair="../../x")])
    with pytest.raises(ConfigError, match=r"data set 'd': '\.\./\.\./x' cannot name a pair"):
        _ = plan.pairs
