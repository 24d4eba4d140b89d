"""Which images and views are embedded, and who shares what."""

import json
import os
from pathlib import Path

from small_plans import SMALL, changed, manifest, stage_of, stems

from promptreg.plan import Plan


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


def test_more_views_add_embeddings_and_leave_the_old_ones_as_they_are(planned):
    before, after = planned(), planned(embed={"views": {"count": 6}})
    stages, new, gone = changed(before, after)
    assert stages == {"rois", "tables", "report", "figures"}
    assert gone == []
    assert {stage_of(path) for path in new} == {"embeddings"}
    assert all(path.endswith("/random-2.zarr") for path in new)
    shard = before.datasets["d"].shards()[0]
    assert set(before.embeddings("promptreg", "d", shard)) < set(after.embeddings("promptreg", "d", shard))


def test_a_shared_image_is_planned_once(tmp_path):
    one = Plan({**SMALL, "manifest": manifest(tmp_path, 4, shared_fixed=True)})
    names = [image.image for image in one.datasets["d"].images]
    assert stems(names) == ["m0", "f0", "m1", "m2", "m3"]
    needed = [f"results/images/d/{shard}.zarr" for shard in ("000", "001", "002")]
    assert one.shard_images("d", "001") == needed


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
