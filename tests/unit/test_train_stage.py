import json
from pathlib import Path

import numpy as np
import pytest
from small_adapter import blobs, untrained_sam
from typer.testing import CliRunner

from promptreg import cli
from promptreg.checkpoints import CheckpointUnavailable
from promptreg.datasets.manifest import Manifest
from promptreg.models import adapter3d
from promptreg.models.adapter3d import SamAdapter3d, stated
from promptreg.plan import Plan
from promptreg.stages import embed, images, pairs, search, train
from promptreg.stages.inputs import Inputs, NoResult
from promptreg.stages.loaded import weights_digest
from promptreg.store import open_store

N_SUBJECTS = 12
CONFIG = {
    "datasets": [{"name": "d"}],
    "methods": ["adapted"],
    "variants": {"adapted": {"embed": {"model": "sam_adapter3d", "views": {"count": 1}}}},
    "search": {"affine_prior": False, "auxiliary": {"enabled": False}, "prompts": {"count": 2}},
    "train": {
        "test_share": 0.4,
        "validation_share": 0.2,
        "steps": 2,
        "depth": 2,
        "regions": 2,
        "clicks": 2,
        "validate_every": 1,
    },
    "shard_size": 20,
}


@pytest.fixture(scope="module", autouse=True)
def small():
    """Put a small model of random weights where the published one would be."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (adapter3d, train):
            patch.setattr(module, "base_sam", untrained_sam)
        yield


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A plan over pairs of pictures of twelve subjects, each with its neighbour."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["pair_id,moving,fixed,dimension,moving_labels,fixed_labels,moving_subject,fixed_subject"]
    for number in range(N_SUBJECTS):
        image, labels = blobs(number, shape=(40, 48))
        np.save(folder / f"{number}.npy", image.data[0].numpy())
        np.save(folder / f"{number}_labels.npy", labels)
        other = (number + 1) % N_SUBJECTS
        cells = (number, number, other, number, other, number, other)
        rows.append("p{},{}.npy,{}.npy,2,{}_labels.npy,{}_labels.npy,s{},s{}".format(*cells))
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return folder, Plan(
        {**CONFIG, "manifest": str(folder / "pairs.csv"), "results_dir": str(folder / "results")}
    )


@pytest.fixture(scope="module")
def trained(planned):
    """The plan, and the labels that the stage asked for."""
    _, plan = planned
    asked = []
    real = Manifest.labels

    def noted(self, reference, grid):
        asked.append(reference)
        return real(self, reference, grid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Manifest, "labels", noted)
        (file,) = plan.trained("sam_adapter3d", "d")
        train.run(json.loads(plan.train_job("sam_adapter3d", "d")), [], file)
    return plan, file, asked


def part(plan, subject):
    return plan.datasets["d"].part_of(
        next(image for image, who in plan.datasets["d"].subjects.items() if who == subject),
        plan.config.train,
        plan.config.seed,
    )


def test_no_label_of_a_subject_in_the_test_is_read(trained):
    plan, _, asked = trained
    parts = {f"{number}_labels.npy": part(plan, f"s{number}") for number in range(N_SUBJECTS)}
    assert set(parts.values()) == {"train", "validation", "test"}
    assert set(asked) == {name for name, its in parts.items() if its != "test"}


def test_without_the_files_of_the_test_subjects_training_gives_the_same_weights(planned, trained, tmp_path):
    folder, plan = planned
    listed = plan.datasets["d"]
    hidden = [image for image in listed.subjects if listed.part_of(image, plan.config.train, 0) == "test"]
    names = [listed.reader._images[image].removesuffix(".npy") for image in hidden]
    files = [folder / f"{name}{kind}.npy" for name in names for kind in ("", "_labels")]
    kept = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    job = plan.train_job("sam_adapter3d", "d")
    train.run(json.loads(job), [], str(tmp_path / "w.safetensors"))
    for file, content in kept.items():
        file.write_bytes(content)
    assert len(files) > 1
    assert (tmp_path / "w.safetensors").read_bytes() == Path(trained[1]).read_bytes()


def test_the_file_says_what_it_was_made_from(trained):
    plan, file, _ = trained
    about = stated(Path(file))
    assert about["dataset"] == "d"
    assert about["steps"] == 2
    assert about["job"] == json.loads(plan.train_job("sam_adapter3d", "d"))
    names = {image for images in about["images"].values() for image in images}
    assert names.isdisjoint(
        image for image, who in plan.datasets["d"].subjects.items() if part(plan, who) == "test"
    )


def test_log_and_curves_lie_beside_the_weights_and_the_checkpoint_is_gone(trained):
    folder = Path(trained[1]).parent
    assert {one.name for one in folder.iterdir()} == {"weights.safetensors", "log.csv", "curves.png"}


def test_embedding_and_search_use_the_trained_weights_and_run_on_the_test_alone(trained):
    plan = trained[0]
    root = plan.root
    images.run(json.loads(plan.images_job("d", "000")), [], f"{root}/images/d/000.zarr")
    stores = [f"{root}/images/d/000.zarr"]
    pairs.run(json.loads(plan.pairs_job("d", "000")), stores, f"{root}/pairs/d/000.zarr")
    label = plan.search_of["adapted"]
    (place,) = plan.embeddings(label, "d", "000")
    encoder, _, _, view = place.removesuffix(".zarr").split("/")[-4:]
    embed.run(json.loads(plan.embed_job(encoder, "d", "000", view)), stores, place)
    tested = {
        f"p{n}" for n in range(N_SUBJECTS) if part(plan, f"s{n}") == part(plan, f"s{(n + 1) % 12}") == "test"
    }
    embedded = {name.removesuffix(".view0") for name in open_store(place).groups}
    listed = plan.datasets["d"]
    assert embedded == {image for image, who in listed.subjects.items() if part(plan, who) == "test"}
    out = f"{root}/rois.zarr"
    search.run(
        json.loads(plan.search_job(label, "d", "000")), [f"{root}/pairs/d/000.zarr", *stores, place], out
    )
    found = Inputs([out])
    ran = {name for name in found.groups("rois") if found.attrs("rois", name)["status"] == "ok"}
    assert ran == tested
    assert len(tested) > 0
    with pytest.raises(NoResult, match="kept for the test") as error:
        found.read("rois", next(iter(set(found.groups("rois")) - tested)))
    assert error.value.status == "not run"
    assert "trained weights" in open_store(place).signature.inputs


def test_a_job_depends_on_the_content_of_the_weights_that_it_uses(tmp_path):
    file = tmp_path / "w"
    file.write_bytes(b"one")
    first = weights_digest({"trained": str(file)})
    file.write_bytes(b"two")
    assert weights_digest({"trained": str(file)}) != first
    assert weights_digest({}) == {}


def test_a_data_set_without_labels_leaves_a_file_that_says_so(tmp_path):
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.zeros((20, 20), np.float32))
    (tmp_path / "pairs.csv").write_text("pair_id,moving,fixed,dimension\np,0.npy,1.npy,2\n")
    plan = Plan({**CONFIG, "manifest": str(tmp_path / "pairs.csv")})
    file = tmp_path / "w.safetensors"
    train.run(json.loads(plan.train_job("sam_adapter3d", "d")), [], str(file))
    with pytest.raises(CheckpointUnavailable, match="no labelled image"):
        SamAdapter3d(file)


def test_the_command_trains_as_the_stage_does(planned, trained, tmp_path):
    folder, _ = planned
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({**CONFIG, "manifest": str(folder / "pairs.csv")}))
    result = CliRunner().invoke(
        cli.app, ["train-adapter", "--config", str(config), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    written = tmp_path / "out" / "weights.safetensors"
    assert written.read_bytes() == Path(trained[1]).read_bytes()
