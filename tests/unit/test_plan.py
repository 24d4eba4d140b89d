import json
import os
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
import yaml
from tiny_checkpoints import PAYLOAD, publish, row, unpublished

from promptreg import checkpoints, stage_layout, stage_plan
from promptreg.plan import Plan
from promptreg.registry import MODELS
from promptreg.settings import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"methods": ["identity", "promptreg"], "datasets": [{"name": "d"}], "shard_size": 2}


def manifest(folder, n_pairs, *, shared_fixed=False):
    """A table of pairs of pictures, each with two labels; returns its path."""
    rows = ["pair_id,moving,fixed,dimension,application,moving_labels"]
    for number in range(n_pairs):
        fixed = 0 if shared_fixed else number
        rows.append(f"p{number},m{number}.png,f{fixed}.png,2,group {number % 2},l{number}.png")
        for name in ("m", "f", "l"):
            file = folder / f"{name}{number}.png"
            if not file.exists():
                PIL.Image.new("L", (4, 4)).save(file)
    path = folder / "pairs.csv"
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.fixture
def table(tmp_path):
    return manifest(tmp_path, 5)


@pytest.fixture
def planned(table):
    """A function that plans the small benchmark with changes to its configuration."""
    return lambda **changes: Plan({**SMALL, "manifest": table, **changes})


def jobs(one):
    """All jobs of a plan by the path of what they make."""
    found = {}
    for dataset, listed in one.datasets.items():
        for shard in sorted({listed.image_shard(image.image) for image in listed.images}):
            found[f"images/{dataset}/{shard}"] = one.images_job(dataset, shard)
        for shard in listed.shards():
            found[f"pairs/{dataset}/{shard}"] = one.pairs_job(dataset, shard)
            for name in one.variants:
                search, marginal = one.search_of[name], one.marginal_of[name]
                for path in one.embeddings(search, dataset, shard):
                    encoder, _, image, view = path.removesuffix(".zarr").split("/")[-4:]
                    found[path] = one.embed_job(encoder, dataset, image, view)
                found[f"rois/{search}/{dataset}/{shard}"] = one.search_job(search, dataset, shard)
                found[f"correspondences/{marginal}/{dataset}/{shard}"] = one.marginalize_job(marginal)
                found[f"ddf/{name}/{dataset}/{shard}"] = one.fit_job(name)
            for method in one.config.methods:
                if method not in one.variants:
                    found[f"ddf/{method}/{dataset}/{shard}"] = one.baseline_job(method, dataset, shard)
                found[f"metrics/{method}/{dataset}/{shard}"] = one.evaluate_job(method, dataset)
        for pair in one.gallery[dataset]:
            found[f"gallery/{dataset}/{pair.pair}"] = one.gallery_job(dataset, pair.pair)
    for stage in ("tables", "report"):
        found[stage] = one.summary_job(stage)
    found["figures/time"] = one.summary_job("figures", figure="time")
    return found


def changed(before, after):
    """Stages whose jobs differ or are new, and the paths of all that are new or gone."""
    before, after = jobs(before), jobs(after)
    differing = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    new, gone = after.keys() - before.keys(), before.keys() - after.keys()
    return {stage_of(path) for path in differing}, sorted(new), sorted(gone)


def stage_of(path):
    return path.removeprefix("results/").split("/")[0]


def stems(images):
    return [image.partition("-")[0] for image in images]


def test_planning_twice_gives_the_same_jobs(planned):
    assert jobs(planned()) == jobs(planned())


def test_every_job_is_json_with_a_digest_of_its_code(planned):
    for path, job in jobs(planned()).items():
        assert len(json.loads(job)["code"]) == 16, path


def test_sigma_changes_the_search_and_no_embedding(planned):
    stages, new, gone = changed(planned(), planned(sigma=0.05))
    assert stages == {"rois", "tables", "report", "figures"}
    assert (new, gone) == ([], [])


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"fit": {"weight": 0.2}}, {"ddf"}),
        ({"marginalize": {"average": "median"}}, {"correspondences"}),
        ({"embed": {"dtype": "float32"}}, {"embeddings"}),
        ({"baselines": {"threads": 2}}, {"ddf"}),
        ({"evaluate": {"nsd_tolerance": 3.0}}, {"metrics"}),
        ({"prealign": "none"}, {"pairs"}),
        ({"seed": 1}, {"images", "pairs", "embeddings", "rois"}),
    ],
)
def test_a_knob_changes_the_jobs_of_its_own_stage_alone(planned, changes, stages):
    found, new, gone = changed(planned(), planned(**changes))
    assert found == stages | {"tables", "report", "figures"}
    assert (new, gone) == ([], [])


def test_counting_operations_changes_what_computes_and_nothing_else(planned):
    stages, new, gone = changed(planned(), planned(count_flops=True))
    assert stages == {"embeddings", "rois", "ddf", "tables", "report", "figures"}
    assert (new, gone) == ([], [])


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


def test_a_knob_of_the_fit_changes_no_baseline(planned):
    before, after = planned(), planned(fit={"weight": 0.2})
    assert before.baseline_job("identity", "demo", "000") == after.baseline_job("identity", "demo", "000")
    assert before.fit_job("promptreg") != after.fit_job("promptreg")


def test_more_views_add_embeddings_and_leave_the_old_ones_as_they_are(planned):
    before, after = planned(), planned(embed={"views": {"count": 6}})
    stages, new, gone = changed(before, after)
    assert stages == {"rois", "tables", "report", "figures"}
    assert gone == []
    assert {stage_of(path) for path in new} == {"embeddings"}
    assert all(path.endswith("/random-2.zarr") for path in new)
    shard = before.datasets["d"].shards()[0]
    assert set(before.embeddings("promptreg", "d", shard)) < set(after.embeddings("promptreg", "d", shard))


def test_a_block_of_views_holds_the_views_that_its_number_says(planned):
    one = planned(embed={"views": {"count": 9, "block": 3}})
    blocks = [
        json.loads(one.embed_job("blend", "d", "000", views))
        for views in ("identity", "random-1", "random-2", "random-3")
    ]
    assert [(job["first"], job["last"]) for job in blocks] == [(0, 1), (1, 4), (4, 7), (7, 10)]


def test_only_images_that_move_get_further_views(planned):
    one = planned()
    assert stems(json.loads(one.embed_job("blend", "d", "000", "identity"))["images"]) == ["m0", "f0"]
    assert stems(json.loads(one.embed_job("blend", "d", "000", "random-1"))["images"]) == ["m0"]


def test_one_view_needs_no_block(planned):
    needed = planned(embed={"views": {"count": 1, "turns": 1}}).embeddings("promptreg", "d", "000")
    assert {os.path.basename(path) for path in needed} == {"identity.zarr"}


def test_the_style_of_figures_changes_figures_report_and_gallery_alone(planned):
    stages, new, gone = changed(planned(), planned(figures={"palette": "deep"}))
    assert stages == {"figures", "report", "gallery"}
    assert (new, gone) == ([], [])


def test_the_results_folder_moves_everything_and_changes_no_result(planned):
    here, there = planned(), planned(results_dir="elsewhere")
    assert here.search_job("promptreg", "d", "000") == there.search_job("promptreg", "d", "000")
    assert here.summary_job("tables") == there.summary_job("tables")
    assert all(path.startswith("elsewhere/") for path in there.embeddings("promptreg", "d", "000"))


def test_a_results_folder_in_the_home_is_not_a_folder_named_tilde(planned, monkeypatch):
    monkeypatch.setenv("HOME", "/homes/me")
    assert planned(results_dir="~/runs").root == "/homes/me/runs"


def test_an_appended_pair_leaves_full_shards_as_they_are(tmp_path, planned):
    before = jobs(planned())
    manifest(tmp_path, 6)
    after = jobs(planned())
    full = {path for path in before if path.startswith(("images", "pairs", "rois")) and "/d/00" in path}
    kept = {path for path in full if not path.endswith("/002")} | {
        path for path in before if path.startswith("results/embeddings") and "/d/004/" not in path
    }
    assert {path for path in kept if before[path] != after[path]} == set()
    assert before["pairs/d/002"] != after["pairs/d/002"]
    assert "images/d/005" in after


def test_a_touched_image_changes_the_job_that_reads_it_and_no_other(tmp_path, planned):
    before = jobs(planned())
    PIL.Image.new("L", (5, 5)).save(tmp_path / "m3.png")
    after = jobs(planned())
    assert [path for path in before if before[path] != after[path]] == ["images/d/003"]


def test_a_touched_label_map_changes_the_job_that_reads_it_and_no_other(tmp_path, planned):
    before = jobs(planned())
    PIL.Image.new("L", (5, 5)).save(tmp_path / "l3.png")
    after = jobs(planned())
    assert [path for path in before if before[path] != after[path]] == ["pairs/d/001"]


def test_the_code_of_a_reader_and_of_a_model_counts_where_they_run(planned, monkeypatch):
    asked = {}

    def record(*modules):
        asked[modules[0]] = modules[1:]
        return "0" * 16

    monkeypatch.setattr(stage_plan, "code_digest", record)
    jobs(planned())
    assert asked["promptreg.stages.images"] == ("promptreg.datasets.manifest",)
    assert asked["promptreg.stages.pairs"] == ("promptreg.datasets.manifest",)
    assert asked["promptreg.stages.embed"] == ("promptreg.models.blend",)
    assert asked["promptreg.stages.search"] == ("promptreg.models.blend",)
    assert asked["promptreg.stages.baseline"] == ("promptreg.baselines.identity",)
    assert asked["promptreg.stages.fit"] == ()


def test_variants_with_equal_search_settings_share_one_path_and_others_do_not(planned):
    one = planned(
        methods=["a", "b", "c", "d"],
        variants={
            "a": {},
            "b": {"fit": {"image_terms": {"ncc": 1}}},
            "c": {"search": {"n_starts": 5}},
            "d": {"marginalize": {"cycle": False}},
        },
    )
    assert one.search_of == {"a": "a", "b": "a", "c": "c", "d": "a"}
    assert one.marginal_of == {"a": "a", "b": "a", "c": "c", "d": "d"}
    assert len(set(one.views_of.values())) == 1
    assert one.rois_of("d") == "a"
    assert one.rois_of("c") == "c"


def test_a_fit_reads_the_features_of_upright_images_only_where_they_count(planned):
    one = planned(
        methods=["a", "b", "c"],
        variants={
            "a": {},
            "b": {"fit": {"image_terms": {"features": 1}}},
            "c": {"fit": {"image_terms": {"features": 0, "ncc": 1}}},
        },
    )
    shard = one.datasets["d"].shards()[0]
    regions, pairs, *others = one.fit_inputs("a", "d", shard)
    assert (regions, pairs) == (
        f"{one.root}/correspondences/a/d/{shard}.zarr",
        f"{one.root}/pairs/d/{shard}.zarr",
    )
    assert others == one.shard_images("d", shard)
    encoder = one.views_of["b"].encoder
    features = one.fit_inputs("b", "d", shard)[2 + len(others) :]
    assert features == [
        f"{one.root}/embeddings/{encoder}/d/{Path(store).stem}/identity.zarr" for store in others
    ]
    assert one.fit_inputs("c", "d", shard) == one.fit_inputs("a", "d", shard)


def test_variants_that_embed_otherwise_get_paths_of_their_own(planned):
    one = planned(
        methods=["a", "b", "c"],
        variants={
            "a": {},
            "b": {"embed": {"dtype": "float32"}},
            "c": {"embed": {"views": {"rotation_deg": 20.0}}},
        },
    )
    assert one.views_of == {
        "a": ("blend", "random", "turned"),
        "b": ("blend_2", "random", "turned"),
        "c": ("blend", "random_2", "turned"),
    }
    assert json.loads(one.embed_job("blend_2", "d", "000", "identity"))["embed"]["dtype"] == "float32"
    narrow = json.loads(one.embed_job("blend", "d", "000", "random_2-1"))
    assert narrow["embed"]["views"]["rotation_deg"] == 20.0


def test_turned_views_of_planar_images_are_embedded_for_searches_that_begin_with_the_prior(planned):
    one = planned(
        methods=["a", "b", "c", "d"],
        variants={
            "a": {},
            "b": {"search": {"affine_prior": False}},
            "c": {"embed": {"views": {"turns": 1}}},
            "d": {"embed": {"views": {"turns": 8}}},
        },
    )
    views = {name: {Path(path).stem for path in one.embeddings(name, "d", "000")} for name in "abcd"}
    assert views["a"] == {"identity", "random-1", "turned-1"}
    assert views["b"] == views["c"] == {"identity", "random-1"}
    assert views["d"] == {"identity", "random-1", "turned_2-1"}
    job = json.loads(one.embed_job("blend", "d", "000", "turned_2-1"))
    assert (job["kind"], job["first"], job["last"], job["embed"]["views"]) == ("turn", 1, 8, {"turns": 8})
    block = json.loads(one.embed_job("blend", "d", "000", "random-1"))
    assert "turns" not in block["embed"]["views"], "other turns must not embed the views anew"
    assert [json.loads(one.search_job(name, "d", "000"))["turns"] for name in "abcd"] == [12, 1, 1, 8]


def test_volumes_have_no_turned_views(tmp_path):
    table = tmp_path / "volumes.csv"
    table.write_text("pair_id,moving,fixed,dimension\np,m.nii.gz,f.nii.gz,3\nq,m.png,f.png,2\n")
    one = Plan({**SMALL, "manifest": str(table), "shard_size": 4})
    needed = {Path(path).stem for path in one.embeddings("promptreg", "d", "000")}
    assert needed == {"identity", "random-1", "turned-1"}
    for views, moving in {"turned-1": ["m"], "random-1": ["m", "m"]}.items():
        images = json.loads(one.embed_job("blend", "d", "000", views))["images"]
        assert [name.partition(".")[0].partition("-")[0] for name in images] == moving
    alone = Plan({**SMALL, "manifest": str(table), "shard_size": 1})
    assert not any("turned" in path for path in alone.embeddings("promptreg", "d", "000"))


def test_a_shared_image_is_planned_once(tmp_path):
    one = Plan({**SMALL, "manifest": manifest(tmp_path, 4, shared_fixed=True)})
    names = [image.image for image in one.datasets["d"].images]
    assert stems(names) == ["m0", "f0", "m1", "m2", "m3"]
    needed = [f"results/images/d/{shard}.zarr" for shard in ("000", "001", "002")]
    assert one.shard_images("d", "001") == needed


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


def test_other_weights_of_the_package_embed_and_search_again_and_absent_ones_are_not_run(
    planned, monkeypatch
):
    variants = {"mine": {"embed": {"model": "blend"}}}
    found = []
    for value in ("a", "b"):
        monkeypatch.setattr(stage_plan, "shipped_hash", lambda name, value=value: value)
        one = planned(methods=["mine"], variants=variants)
        encoder, *_ = one.views_of["mine"]
        search = one.search_job(one.search_of["mine"], "d", "000")
        found.append((one.embed_job(encoder, "d", "000", "identity"), search))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]
    monkeypatch.setattr(stage_layout, "shipped_hash", lambda name: None)
    assert "no weights of pocket" in planned(methods=["mine"], variants=variants).unavailable("mine")


def test_released_weights_embed_and_search_again_when_their_hash_changes(planned, monkeypatch):
    variants = {"mine": {"embed": {"model": "sam_vit_b"}}}
    found = []
    for value in ("a", "b"):
        monkeypatch.setattr(stage_plan, "signature", lambda name, value=value: value)
        one = planned(methods=["mine"], variants=variants)
        encoder, *_ = one.views_of["mine"]
        search = one.search_job(one.search_of["mine"], "d", "000")
        found.append((one.embed_job(encoder, "d", "000", "identity"), search))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


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


def shipped(name, **changes):
    """A plan of a shipped configuration over the demo's pictures."""
    raw = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    return Plan({**raw, "datasets": [{"name": "demo", "reader": "demo", "dimension": 2}], **changes})


def stores(one, name):
    """Paths of the stores of a kind that a plan asks for."""
    return {path for path in jobs(one) if stage_of(path) == name}


@pytest.mark.parametrize(
    ("name", "searches", "variants"),
    [("ablation_prompts", 2, 9), ("ablation_views", 1, 22), ("ablation_sigma", 7, 7)],
)
def test_a_grid_embeds_once_and_searches_only_where_the_search_differs(name, searches, variants):
    grid = shipped(name)
    first = next(iter(grid.variants))
    alone = shipped(name, methods=[first], ablations={})
    assert stores(grid, "embeddings") == stores(alone, "embeddings")
    assert len(stores(grid, "rois")) == searches
    assert len(stores(grid, "correspondences")) == len(grid.variants) == variants


def test_one_more_number_of_views_marginalizes_and_fits_and_does_nothing_else():
    before = shipped("ablation_views")
    variants = yaml.safe_load((ROOT / "config/ablation_views.yaml").read_text())["variants"]
    after = shipped(
        "ablation_views",
        methods=[*before.config.methods, "random_12"],
        variants={**variants, "random_12": {"marginalize": {"views": 12}}},
    )
    stages, new, gone = changed(before, after)
    assert stages == {"gallery", "tables", "report", "figures"}
    assert gone == []
    assert [path.removeprefix("results/") for path in new] == [
        f"{kind}/random_12/demo/000" for kind in ("correspondences", "ddf", "metrics")
    ]


def test_an_ablation_is_made_anew_when_its_rows_change_and_not_when_colours_do():
    before, after = shipped("ablation_sigma"), shipped("ablation_sigma", figures={"palette": "muted"})
    assert before.analysis_job("table3") == after.analysis_job("table3")
    assert before.analysis_job("table3") != shipped("ablation_sigma", seed=1).analysis_job("table3")
