import json

import pytest
from small_plans import jobs

from promptreg.plan import Plan
from promptreg.settings import ConfigError


def test_planning_twice_gives_the_same_jobs(planned):
    assert jobs(planned()) == jobs(planned())


def test_every_job_is_json_with_a_digest_of_its_code(planned):
    for path, job in jobs(planned()).items():
        assert len(json.loads(job)["code"]) == 16, path


def test_a_pair_that_is_registered_both_ways_has_a_copy_with_everything_exchanged(planned):
    one = planned(datasets=[{"name": "d", "both_ways": True}], analyses=["consistency"])
    there, back = one.datasets["d"].pairs[:2]
    assert (back.pair, back.moving, back.fixed) == ("p0_reversed", there.fixed, there.moving)
    assert back.group == f"{there.group}, reversed"
    assert (list(there.annotations), list(back.annotations)) == (["moving_labels"], ["fixed_labels"])
    assert len(one.datasets["d"].images) == len(planned().datasets["d"].images)
    assert one.measures[-2:] == [
        f"results/metrics/{name}/d/inverse.parquet" for name in ("identity", "promptreg")
    ]
    assert set(one.analyses) == {"consistency"}


def test_a_results_folder_in_the_home_is_not_a_folder_named_tilde(planned, monkeypatch):
    monkeypatch.setenv("HOME", "/homes/me")
    assert planned(results_dir="~/runs").root == "/homes/me/runs"


def test_misalignment_adds_a_twin_of_every_pair_beside_it(planned):
    one = planned(datasets=[{"name": "d", "misalign": {}, "limit": 2}])
    listed = one.datasets["d"]
    assert [pair.pair for pair in listed.pairs] == ["p0", "p0_misaligned", "p1", "p1_misaligned"]
    twin = listed.pairs[1]
    assert (twin.moving, twin.fixed) == (f"{listed.pairs[0].moving}_misaligned", listed.pairs[0].fixed)
    assert twin.group == "group 0, misaligned"
    image = next(image for image in listed.images if image.misaligned)
    assert (image.image, image.source, image.moves) == (twin.moving, listed.pairs[0].moving, True)


def test_every_pair_is_in_exactly_one_shard(planned):
    listed = planned().datasets["d"]
    assert listed.shards() == ["000", "001", "002"]
    members = [(shard, pair.pair) for shard in listed.shards() for pair in listed.in_shard(shard)]
    assert [pair for _, pair in members] == [pair.pair for pair in listed.pairs]
    assert all(listed.shard_of(pair) == shard for shard, pair in members)


def test_the_gallery_takes_turns_among_the_groups(planned):
    one = planned(figures={"gallery": 3})
    assert [pair.pair for pair in one.gallery["d"]] == ["p0", "p1", "p2"]
    assert one.gallery_files("{root}/figures/{dataset}/{pair}")[0] == "results/figures/d/p0"
    inputs = one.gallery_inputs("d", "p2")
    assert "results/pairs/d/001.zarr" in inputs
    assert "results/images/d/002.zarr" in inputs
    assert "results/ddf/promptreg/d/001.zarr" in inputs
    assert "results/correspondences/promptreg/d/001.zarr" in inputs
    assert planned(figures={"gallery": 0}).gallery_files("{pair}") == []


def test_the_shown_variant_is_promptreg_or_else_the_last(planned):
    variants = {"a": {}, "promptreg": {}, "z": {}}
    assert planned(methods=["a", "promptreg", "z"], variants=variants).shown == ["promptreg"]
    assert planned(methods=["a", "z"], variants=variants).shown == ["z"]
    assert planned(methods=["identity"], variants=variants).shown == []


def test_files_are_expanded_over_methods_data_sets_and_shards(planned):
    files = planned().shard_files("{root}/{method}/{dataset}/{shard}")
    assert len(files) == 2 * 3
    assert files[0] == "results/identity/d/000"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datasets": [{"name": "d", "path": "nowhere.csv"}]}, r"data set 'd': .*nowhere\.csv"),
        (
            {"datasets": [{"name": "d", "dimension": 3}]},
            "data set 'd': no pair left of 5 listed, dimension=3",
        ),
        ({"datasets": [{"name": "d", "reader": "demo", "path": "x"}]}, "data set 'd': .*needs no files"),
        ({"manifest": None}, "data set 'd': .*needs a CSV"),
    ],
)
def test_a_data_set_that_cannot_be_listed_is_a_configuration_error_that_names_it(planned, changes, words):
    with pytest.raises(ConfigError, match=words):
        planned(**changes).shard_files("{shard}")


def test_a_wrong_configuration_is_refused_before_anything_is_listed():
    with pytest.raises(ConfigError, match="serch"):
        Plan({"serch": {}})
