import json
import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from damage import flip_in_store
from toy_model import ToyModel

from promptreg import pipeline, registry
from promptreg.geometry import affine_to_ddf
from promptreg.metrics import landmark_errors
from promptreg.pipeline import register_pair
from promptreg.plan import Plan
from promptreg.provenance import Signature
from promptreg.seeds import derive_seed
from promptreg.stages import (
    baseline,
    calibrate,
    embed,
    evaluate,
    fit,
    gallery,
    images,
    marginalize,
    pairs,
    search,
)
from promptreg.stages.inputs import Inputs, NoResult, grid_from
from promptreg.store import StoreError, create, open_store

SIZE, SHIFT = 40, (4, -3)
CONFIG = {
    "methods": ["identity", "tiny"],
    "datasets": [{"name": "d"}],
    "prealign": "none",
    "shard_size": 2,
    "embed": {"model": "tiny", "views": {"count": 2, "kind": "flip", "block": 1}, "dtype": "float32"},
    "search": {"affine_prior": False, "auxiliary": {"enabled": False}, "prompts": {"count": 6}},
    "marginalize": {"area_ratio": None, "duplicate_iou": None},
    "fit": {
        "device": "cpu",
        "start": "translation",
        "parametrization": "affine",
        "iterations": 5,
        "levels": 2,
    },
    "variants": {"tiny": {}},
}


class Tiny(ToyModel):
    """The toy model as a registered one: its class takes no arguments."""

    def __init__(self):
        super().__init__(2, radius=5.0)


def scene():
    data = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for _ in range(16):
        for axis in (1, 2):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return (255 * (data - data.amin()) / (data.amax() - data.amin())).round().byte()


def write_pairs(folder):
    """A good pair with labels, and one whose fixed image is absent."""
    moving, fixed = scene(), scene().roll(SHIFT, (1, 2))
    labels = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    labels[10:22, 14:28] = 3
    for name, data in (("m", moving), ("f", fixed)):
        PIL.Image.fromarray(data.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")
    for name, data in (("ml", labels), ("fl", labels.roll(SHIFT, (0, 1)))):
        PIL.Image.fromarray(data.numpy()).save(folder / f"{name}.png")
    (folder / "pairs.csv").write_text(
        "pair_id,moving,fixed,dimension,application,moving_labels,fixed_labels,label_names\n"
        "good,m.png,f.png,2,toys,ml.png,fl.png,3 box\n"
        "bad,m.png,absent.png,2,toys,,,\n"
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run, stage by stage: the folder of its stores and its plan."""
    folder = tmp_path_factory.mktemp("run")
    write_pairs(folder)
    with pytest.MonkeyPatch.context() as patch:
        entry = registry.Entry("tiny", "promptreg.models.weightfree:WeightFree", "for tests", dims=(2,))
        patch.setitem(registry.MODELS, "tiny", entry)
        load = registry.Entry.load
        patch.setattr(registry.Entry, "load", lambda self: Tiny if self.name == "tiny" else load(self))
        plan = Plan({**CONFIG, "manifest": str(folder / "pairs.csv"), "results_dir": str(folder / "out")})
        every_stage(plan)
        yield plan


def every_stage(plan):
    root = plan.root
    shards = sorted({plan.datasets["d"].image_shard(one.image) for one in plan.datasets["d"].images})
    pictures = [f"{root}/images/d/{shard}.zarr" for shard in shards]
    for shard, path in zip(shards, pictures, strict=True):
        images.run(json.loads(plan.images_job("d", shard)), [], path)
    listed = f"{root}/pairs/d/000.zarr"
    pairs.run(json.loads(plan.pairs_job("d", "000")), pictures, listed)
    embedded = plan.embeddings("tiny", "d", "000")
    for path in embedded:
        shard, view = path.removesuffix(".zarr").split("/")[-2:]
        embed.run(
            json.loads(plan.embed_job("tiny", "d", shard, view)), [f"{root}/images/d/{shard}.zarr"], path
        )
    rois, found = f"{root}/rois/tiny/d/000.zarr", f"{root}/correspondences/tiny/d/000.zarr"
    search.run(json.loads(plan.search_job("tiny", "d", "000")), [listed, *pictures, *embedded], rois)
    marginalize.run(json.loads(plan.marginalize_job("tiny")), [rois], found)
    fit.run(json.loads(plan.fit_job("tiny")), [found, listed, *pictures], f"{root}/ddf/tiny/d/000.zarr")
    baseline.run(
        json.loads(plan.baseline_job("identity", "d", "000")),
        [listed, *pictures],
        f"{root}/ddf/identity/d/000.zarr",
    )


def stored(run, *parts):
    return open_store("/".join((run.root, *parts)) + ".zarr")


@pytest.fixture(scope="module")
def in_memory(run):
    """The same pair registered in memory with the seeds of the stages."""
    inputs = Inputs([f"{run.root}/pairs/d/000.zarr", *run.shard_images("d", "000")])
    pair = inputs.pair("good")
    names = {"views": ("d", pair.moving.name, "views"), "prompts": ("d", "good", "prompts")}
    names["search"] = ("d", "good", "search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "derive_seed", lambda seed, what: derive_seed(seed, *names[what]))
        return register_pair(pair, Tiny(), run.variants["tiny"])


def test_the_staged_search_is_that_of_the_pipeline(run, in_memory):
    record = stored(run, "rois", "tiny", "d", "000").get("good")
    for name in ("points", "labels", "residual", "cycle", "visible"):
        np.testing.assert_array_equal(record[name].values, getattr(in_memory.rois, name).numpy())
    np.testing.assert_array_equal(record["prompts"].values, in_memory.rois.prompts.points.numpy())
    for name in ("moving", "fixed"):
        expected = getattr(in_memory.rois, name).numpy().astype(np.float16)
        np.testing.assert_array_equal(record[name].values, expected)


def test_the_staged_correspondences_are_those_of_the_pipeline(run, in_memory):
    record = stored(run, "correspondences", "tiny", "d", "000").get("good")
    assert tuple(record.attrs["reasons"]) == in_memory.correspondences.reasons
    np.testing.assert_array_equal(record["weights"].values, in_memory.correspondences.rois.weights.numpy())
    expected = in_memory.correspondences.rois.fixed.numpy()
    np.testing.assert_allclose(record["fixed"].values, expected, atol=2e-3)
    back = gallery.correspondences_from(record)
    assert torch.equal(back.points, in_memory.correspondences.points)
    assert back.rois.moving.dtype == torch.float32


def test_the_staged_field_is_that_of_the_pipeline_and_recovers_the_translation(run, in_memory):
    found = Inputs([f"{run.root}/ddf/tiny/d/000.zarr"]).ddf("good")
    torch.testing.assert_close(found.displacement, in_memory.fit.ddf.displacement, atol=0.02, rtol=0)
    inner = found.displacement[:, 10:-10, 10:-10].flatten(1)
    assert (inner - torch.tensor([[-float(SHIFT[1])], [-float(SHIFT[0])]])).norm(dim=0).median() < 0.7


def test_a_second_run_gives_the_same_store(run, tmp_path):
    record = stored(run, "rois", "tiny", "d", "000").get("good")
    inputs = [f"{run.root}/pairs/d/000.zarr", *run.shard_images("d", "000")]
    inputs += run.embeddings("tiny", "d", "000")
    search.run(json.loads(run.search_job("tiny", "d", "000")), inputs, str(tmp_path / "again.zarr"))
    again = open_store(tmp_path / "again.zarr")
    assert again.signature.digest == stored(run, "rois", "tiny", "d", "000").signature.digest
    assert again.get("good").drop_attrs().identical(record.drop_attrs())


def test_an_absent_image_fails_with_its_file_name_and_every_later_stage_says_so(run):
    image = run.datasets["d"].pairs[1].fixed
    shard = run.datasets["d"].image_shard(image)
    attrs = stored(run, "images", "d", shard).attrs(image)
    assert attrs["status"] == "failed"
    assert "absent.png" in attrs["reason"]
    for parts in (
        ("pairs", "d", "000"),
        ("rois", "tiny", "d", "000"),
        ("correspondences", "tiny", "d", "000"),
        ("ddf", "tiny", "d", "000"),
        ("ddf", "identity", "d", "000"),
    ):
        store = stored(run, *parts)
        found = store.attrs("bad")
        assert (found["status"], found["reason"]) == ("failed", attrs["reason"]), parts
        assert store.attrs("good")["status"] == "ok"


def test_the_baseline_store_is_the_canonical_field_of_the_prealignment(run):
    inputs = Inputs([f"{run.root}/ddf/identity/d/000.zarr"])
    grid = grid_from(inputs.attrs("ddf", "good")["grid"])
    torch.testing.assert_close(inputs.ddf("good").displacement, affine_to_ddf(np.eye(3), grid).displacement)


def test_seconds_add_up_over_the_stages_and_memory_is_the_largest(run):
    attrs = stored(run, "ddf", "tiny", "d", "000").attrs("good")
    assert set(attrs["seconds"]) == {"embed", "search", "marginalize", "fit"}
    assert attrs["peak_memory_mb"] >= stored(run, "rois", "tiny", "d", "000").attrs("good")["peak_memory_mb"]
    assert set(stored(run, "ddf", "identity", "d", "000").attrs("good")["seconds"]) == {"register"}


def test_embeddings_hold_the_views_that_were_asked_for_and_say_which(run):
    moving = run.datasets["d"].pairs[0].moving
    paths = [path for path in run.embeddings("tiny", "d", "000") if path.endswith("flip-1.zarr")]
    store = open_store(paths[0])
    assert store.groups == [f"{moving}.view1"]
    assert store.attrs(f"{moving}.view1")["view"]["kind"] == "flip"
    found = Inputs(paths).embedding(moving, 1, torch.device("cpu"))
    assert found.features.dtype == torch.float32
    assert set(found.extras) == {"fine"}


def test_labels_and_their_names_travel_with_the_pair(run):
    record = stored(run, "pairs", "d", "000").get("good")
    assert sorted(np.unique(record["moving_labels"].values)) == [0, 3]
    assert record.attrs["label_names"] == {"3": "box"}
    assert record.attrs["group"] == "toys"


def test_measures_of_a_shard_hold_every_pair_and_say_why_one_has_none(run, tmp_path):
    paths = {}
    for method in ("identity", "tiny"):
        inputs = run.evaluate_inputs(method, "d", "000")
        paths[method] = str(tmp_path / f"{method}.parquet")
        evaluate.run(json.loads(run.evaluate_job(method, "d")), inputs, paths[method])
    frame = {method: pd.read_parquet(path) for method, path in paths.items()}
    bad = frame["tiny"][frame["tiny"]["pair"] == "bad"]
    assert bad["status"].tolist() == ["failed"]
    assert "absent.png" in bad["reason"].item()

    def dice(method):
        rows = frame[method][(frame[method]["pair"] == "good") & (frame[method]["metric"] == "dice")]
        return rows["value"].mean()

    assert dice("tiny") > 85 > dice("identity")
    evaluate.gather(
        list(paths.values()), str(tmp_path / "metrics.parquet"), str(tmp_path / "timings.parquet")
    )
    metrics, timings = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("metrics", "timings"))
    assert len(metrics) + len(timings) == sum(len(one) for one in frame.values())
    assert timings["metric"].str.startswith(("seconds_", "peak_memory")).all()
    assert not metrics["metric"].str.startswith(("seconds_", "peak_memory")).any()


def test_a_method_that_cannot_run_is_measured_as_not_run(run, tmp_path):
    job = {**json.loads(run.evaluate_job("tiny", "d")), "unavailable": "no weights"}
    evaluate.run(job, [f"{run.root}/pairs/d/000.zarr"], str(tmp_path / "m.parquet"))
    frame = pd.read_parquet(tmp_path / "m.parquet")
    assert sorted(frame["pair"]) == ["bad", "good"]
    assert set(frame["status"]) == {"not run"}
    assert set(frame["reason"]) == {"no weights"}


def test_a_variant_without_landmarks_has_nothing_to_calibrate(run, tmp_path):
    job, output = json.loads(run.calibrate_job("tiny", "d")), tmp_path / "c.parquet"
    stores = [f"{run.root}/{kind}/d/000.zarr" for kind in ("ddf/tiny", "correspondences/tiny", "pairs")]
    calibrate.run(job, stores, str(output))
    assert pd.read_parquet(output).empty


def test_what_a_variant_foretells_is_set_against_its_errors_at_landmarks(run, tmp_path):
    record = stored(run, "pairs", "d", "000").get("good")
    points = np.array([[18.0, 14.0], [24.0, 20.0], [20.0, 18.0]])
    variables = {
        f"{side}_landmarks": ((f"{side}_landmark", "component"), points + shift)
        for side, shift in (("moving", 0), ("fixed", np.array(SHIFT[::-1])))
    }
    with create(tmp_path / "pairs.zarr", Signature("pairs", {})) as writer:
        writer.put("good", variables, group=record.attrs["group"])
    stores = [f"{run.root}/{kind}/d/000.zarr" for kind in ("ddf/tiny", "correspondences/tiny")]
    output = tmp_path / "c.parquet"
    calibrate.run(
        json.loads(run.calibrate_job("tiny", "d")), [*stores, str(tmp_path / "pairs.zarr")], str(output)
    )
    frame = pd.read_parquet(output)
    of_field = frame[frame["predictor"].isin(["views", "prompts", "distance"])]
    assert of_field.groupby("predictor").size().tolist() == [3, 3, 3]
    errors = of_field.groupby("predictor")["error"].apply(list)
    assert errors["views"] == errors["prompts"] == errors["distance"]
    found = landmark_errors(
        Inputs(stores).ddf("good"),
        *(torch.from_numpy(variables[f"{side}_landmarks"][1]) for side in ("fixed", "moving")),
    )
    assert errors["views"] == pytest.approx(found.tolist())


def test_the_gallery_draws_a_registered_pair_and_says_why_another_is_not_drawn(run, tmp_path):
    for pair in ("good", "bad"):
        job = json.loads(run.gallery_job("d", pair))
        gallery.run(job, run.gallery_inputs("d", pair), str(tmp_path / pair))
    names = {one.name for one in (tmp_path / "good").iterdir()}
    pictures = ("methods", "prompts", "overlay", "uncertainty", "paradigms")
    assert names == {f"{picture}.{kind}" for picture in pictures for kind in ("png", "pdf")}
    assert [one.name for one in (tmp_path / "bad").iterdir()] == ["not_drawn.txt"]
    assert "absent.png" in (tmp_path / "bad" / "not_drawn.txt").read_text()


def test_a_damaged_input_ends_the_job_and_leaves_no_output(run, tmp_path):
    damaged = tmp_path / "rois.zarr"
    shutil.copytree(f"{run.root}/rois/tiny/d/000.zarr", damaged)
    flip_in_store(damaged, "good/fixed/c/0/0/0/0", 20)
    with pytest.raises(StoreError, match="group good"):
        marginalize.run(json.loads(run.marginalize_job("tiny")), [str(damaged)], str(tmp_path / "out.zarr"))
    assert [one.name for one in tmp_path.iterdir()] == ["rois.zarr"]


def test_an_input_that_is_not_given_is_an_error_that_lists_those_that_are(run):
    inputs = Inputs([f"{run.root}/pairs/d/000.zarr"])
    with pytest.raises(StoreError, match=r"no input store of kind 'images'.*pairs/d/000\.zarr"):
        inputs.image("m")
    with pytest.raises(NoResult, match=r"absent\.png"):
        inputs.read("pairs", "bad")
    assert inputs.groups("pairs") == ["bad", "good"]
    assert inputs.groups("images") == []
