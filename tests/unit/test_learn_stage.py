import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_adapter import blobs
from typer.testing import CliRunner

from promptreg import cli
from promptreg.baselines.learned_file import stated
from promptreg.plan import Plan
from promptreg.stages import alone, baseline, learn
from promptreg.stages.alone import learn_alone
from promptreg.stages.inputs import Inputs, NoResult

N_SUBJECTS = 14
CONFIG = {
    "datasets": [{"name": "d"}],
    "methods": ["identity", "voxelmorph"],
    "train": {"test_share": 0.3, "validation_share": 0.2},
    "learn": {"cells": 32, "width": 0.125, "steps": 3, "validate_every": 2, "device": "cpu"},
    "shard_size": 40,
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A plan over pairs of pictures of subjects, each with the next two."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["pair_id,moving,fixed,dimension,moving_labels,fixed_labels,moving_subject,fixed_subject"]
    for number in range(N_SUBJECTS):
        image, labels = blobs(number, shape=(40, 48))
        np.save(folder / f"{number}.npy", image.data[0].numpy())
        np.save(folder / f"{number}_labels.npy", labels)
        for far in (1, 2):
            a, b = number, (number + far) % N_SUBJECTS
            rows.append(f"p{a}-{b},{a}.npy,{b}.npy,2,{a}_labels.npy,{b}_labels.npy,s{a},s{b}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return {**CONFIG, "manifest": str(folder / "pairs.csv"), "results_dir": str(folder / "results")}


@pytest.fixture(scope="module")
def trained(planned):
    """The plan, the file of weights, and the names of all pairs and images that training read."""
    read = set()
    real = Inputs.read

    def noted(self, kind, group):
        read.add(group)
        return real(self, kind, group)

    plan = Plan(planned)
    stores = plan.learning_inputs("d")
    for store in stores:
        alone._prepare(plan, "d", Path(store))
    (file,) = plan.learned("voxelmorph", "d")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inputs, "read", noted)
        learn.run(json.loads(plan.learn_job("voxelmorph", "d")), stores, file)
    return plan, Path(file), read


def parts(plan):
    """The part of the split of each image and pair, by name."""
    listed = plan.datasets["d"]
    images = {one: listed.part_of(one, plan.config.train, plan.config.seed) for one in listed.subjects}
    return images, {p.pair: {images[p.moving], images[p.fixed]} for p in listed.pairs}


def test_no_pair_or_image_of_a_subject_in_the_test_is_read(trained):
    plan, _, read = trained
    images, pairs = parts(plan)
    assert set(images.values()) == {"train", "validation", "test"}
    assert read & set(images) == {
        one for p in plan.datasets["d"].pairs if "test" not in pairs[p.pair] for one in (p.moving, p.fixed)
    }
    assert read & set(pairs) == {name for name, its in pairs.items() if "test" not in its}
    assert all("test" not in {images.get(one, ""), *pairs.get(one, ())} for one in read)


def test_the_file_says_on_which_pairs_it_was_trained_and_for_which_grid(trained):
    plan, file, _ = trained
    about = stated(file)["networks"]["2d"]
    _, pairs = parts(plan)
    assert set(about["pairs"]["train"]) == {name for name, its in pairs.items() if its == {"train"}}
    decide = [pairs[name] for name in about["pairs"]["validation"]]
    assert all("validation" in its and "test" not in its for its in decide)
    assert about["shape"] == [32, 32]
    assert about["steps"] == 3


def test_log_and_curves_lie_beside_the_weights_and_the_checkpoint_is_gone(trained):
    assert {one.name for one in trained[1].parent.iterdir()} == {
        "weights.safetensors",
        "log_2d.csv",
        "curves_2d.png",
    }


def test_the_same_job_gives_the_same_weights(trained, tmp_path):
    plan, file, _ = trained
    again = tmp_path / "w.safetensors"
    learn.run(json.loads(plan.learn_job("voxelmorph", "d")), plan.learning_inputs("d"), str(again))
    first, second = load_file(file), load_file(again)
    assert all(torch.equal(second[name], one) for name, one in first.items())


def test_registering_runs_on_the_test_alone_and_is_signed_with_the_weights(trained, tmp_path):
    plan = trained[0]
    stores = [f"{plan.root}/pairs/d/000.zarr", *plan.shard_images("d", "000")]
    job = json.loads(plan.baseline_job("voxelmorph", "d", "000"))
    baseline.run(job, stores, str(tmp_path / "ddf.zarr"))
    found = Inputs([tmp_path / "ddf.zarr"])
    _, pairs = parts(plan)
    tested = {name for name, its in pairs.items() if its == {"test"}}
    assert {name for name in pairs if found.attrs("ddf", name)["status"] == "ok"} == tested
    assert len(tested) > 0
    with pytest.raises(NoResult, match="kept for the test") as error:
        found.read("ddf", next(iter(set(pairs) - tested)))
    assert error.value.status == "not run"
    assert "trained weights" in found._store("ddf", next(iter(tested))).signature.inputs


def test_methods_that_need_no_training_have_no_trained_job(trained):
    plan = trained[0]
    assert plan.learned("identity", "d") == []
    assert "tested" not in json.loads(plan.baseline_job("identity", "d", "000"))


def test_all_methods_can_be_held_to_the_pairs_of_the_test(planned, trained):
    train = {**planned["train"], "test_only": True}
    plan = Plan({**planned, "train": train, "figures": {"gallery": 2}})
    _, pairs = parts(plan)
    tested = [name for name, its in pairs.items() if its == {"test"}]
    for method in ("identity", "voxelmorph"):
        assert json.loads(plan.baseline_job(method, "d", "000"))["tested"] == tested
    assert [pair.pair for pair in plan.gallery["d"]] == tested[:2]


def test_too_few_pairs_leave_a_file_that_says_so_and_rows_that_are_not_run(planned, tmp_path):
    data = {**planned, "results_dir": str(tmp_path / "r"), "datasets": [{"name": "d", "limit": 6}]}
    plan = Plan(data)
    assert 0 < len(plan.learning_pairs("d")["train"]) < learn.LEAST_PAIRS
    file = learn_alone(plan, "voxelmorph", "d")
    assert "left to train on" in stated(file)["networks"]["2d"]["unavailable"]


def test_the_command_trains_as_the_stage_does(planned, trained, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(planned))
    arguments = ["train-method", "--config", str(config), "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    written = load_file(tmp_path / "o" / "learning" / "voxelmorph" / "d" / "weights.safetensors")
    assert all(torch.equal(written[name], one) for name, one in load_file(trained[1]).items())


def test_a_method_that_needs_no_training_cannot_be_trained(planned):
    with pytest.raises(ValueError, match="voxelmorph"):
        learn_alone(Plan(planned), "identity", "d")
