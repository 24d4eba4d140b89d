"""Models and methods with and without their weights."""

import json
from dataclasses import replace

from tiny_checkpoints import PAYLOAD, publish, row, unpublished

from promptreg import checkpoints, stage_layout, stage_plan
from promptreg.registry import MODELS


def test_a_method_without_its_weights_is_measured_as_not_run_and_drawn_nowhere(
    planned, monkeypatch, tmp_path
):
    monkeypatch.setenv(checkpoints.CACHE_VARIABLE, str(tmp_path / "empty"))
    one = planned(methods=["identity", "promptreg", "promptreg_sam_vit_b"])
    assert "promptreg weights fetch sam_vit_b" in one.unavailable("promptreg_sam_vit_b")
    assert one.unavailable("promptreg") == one.unavailable("identity") == ""
    assert one.runnable == ["identity", "promptreg"]
    assert one.evaluate_inputs("promptreg_sam_vit_b", "d", "000") == ["results/pairs/d/000.zarr"]
    assert len(one.evaluate_inputs("promptreg", "d", "000")) == 2
    assert json.loads(one.evaluate_job("promptreg_sam_vit_b", "d"))["unavailable"]
    assert list(one.fields("d", "p0")) == ["identity", "promptreg"]


def test_a_baseline_with_released_weights_is_not_run_without_them_and_again_with_others(
    planned, monkeypatch, tmp_path
):
    cache = publish(tmp_path, monkeypatch, unpublished(name="unigradicon", file="uni.pt"))
    one = planned(methods=["unigradicon"])
    assert one.unavailable("unigradicon") == "no weights: promptreg weights fetch unigradicon"
    assert one.evaluate_inputs("unigradicon", "d", "000") == ["results/pairs/d/000.zarr"]
    jobs_seen = [one.baseline_job("unigradicon", "d", "000")]
    for number in range(2):
        for file in cache.iterdir():
            file.unlink()
        (cache / "uni.pt").write_bytes(b"PK" + b"x" * number)
        jobs_seen.append(planned(methods=["unigradicon"]).baseline_job("unigradicon", "d", "000"))
    assert planned(methods=["unigradicon"]).unavailable("unigradicon") == ""
    assert len(set(jobs_seen)) == 3
    assert "weights" not in json.loads(one.baseline_job("identity", "d", "000"))


def assert_other_jobs(planned, monkeypatch, hashed, variants):
    """Another value of what `hashed` says of the weights embeds and searches again."""
    embeddings, searches = set(), set()
    for value in ("a", "b"):
        monkeypatch.setattr(stage_plan, hashed, lambda name, value=value: value)
        one = planned(methods=["mine"], variants=variants)
        encoder, *_ = one.views_of["mine"]
        embeddings.add(one.embed_job(encoder, "d", "000", "identity"))
        searches.add(one.search_job(one.search_of["mine"], "d", "000"))
    assert len(embeddings) == len(searches) == 2


def test_other_weights_of_the_package_embed_and_search_again_and_absent_ones_are_not_run(
    planned, monkeypatch
):
    variants = {"mine": {"embed": {"model": "blend"}}}
    assert_other_jobs(planned, monkeypatch, "shipped_hash", variants)
    monkeypatch.setattr(stage_layout, "shipped_hash", lambda name: None)
    assert "no weights of pocket" in planned(methods=["mine"], variants=variants).unavailable("mine")


def test_released_weights_embed_and_search_again_when_their_hash_changes(planned, monkeypatch):
    variants = {"mine": {"embed": {"model": "sam_vit_b"}}}
    assert_other_jobs(planned, monkeypatch, "signature", variants)


def test_weights_run_once_the_configuration_accepts_their_licence(planned, monkeypatch, tmp_path):
    cache = publish(tmp_path, monkeypatch, row(name="sam_vit_b", accept="gated", licence="Some Licence"))
    (cache / "tiny.pth").write_bytes(PAYLOAD)
    variants = {"mine": {"embed": {"model": "sam_vit_b"}}}
    refused = planned(methods=["mine"], variants=variants)
    assert refused.unavailable("mine").startswith(
        "licence Some Licence not accepted: promptreg weights fetch"
    )
    agreed = planned(methods=["mine"], variants=variants, accept_licences=["sam_vit_b"])
    assert agreed.unavailable("mine") == ""
    assert agreed.summary_job("tables") == refused.summary_job("tables")


def test_tables_and_report_are_told_who_has_seen_the_data_and_nothing_else_is_made_anew(
    planned, monkeypatch, tmp_path
):
    monkeypatch.setitem(MODELS, "weightfree", replace(MODELS["weightfree"], seen=("CHAOS",)))
    changes = {
        "methods": ["mine"],
        "variants": {"mine": {"embed": {"model": "weightfree"}}},
        "datasets": [{"name": "d", "path": str(tmp_path / "sources.csv")}],
    }
    seen, pairs_jobs = {}, set()
    for source in ("", "CHAOS", "other"):
        text = f"pair_id,moving,fixed,dimension,application,source\np,m.png,f.png,2,MR,{source}\n"
        (tmp_path / "sources.csv").write_text(text)
        one = planned(**changes)
        seen[source], report = (json.loads(one.summary_job(name))["seen"] for name in ("tables", "report"))
        assert report == seen[source]
        assert "seen" not in json.loads(one.summary_job("figures", figure="time"))
        pairs_jobs.add(one.pairs_job("d", "000"))
    assert seen == {"": [], "CHAOS": [["mine", "d", "MR"]], "other": []}
    assert len(pairs_jobs) == 1
