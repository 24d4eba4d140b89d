"""What every registered data set reader must do."""

import json

import numpy as np
import PIL.Image
import pytest
from published_layouts import WRITERS

from promptreg.registry import DATASETS

COMPUTED = {"demo", "cohort"}
ROLES = {"moving_labels", "fixed_labels", "moving_landmarks", "fixed_landmarks"}


@pytest.fixture(params=DATASETS)
def reader(request, tmp_path):
    if request.param in COMPUTED:
        return DATASETS[request.param].load()(None)
    if request.param in WRITERS:
        WRITERS[request.param](tmp_path)
        return DATASETS[request.param].load()(str(tmp_path))
    rng = np.random.default_rng(0)
    for name in ("m", "f"):
        PIL.Image.fromarray(rng.integers(0, 255, (16, 17), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        PIL.Image.fromarray(rng.integers(0, 3, (16, 17), dtype=np.uint8)).save(tmp_path / f"{name}l.png")
        (tmp_path / f"{name}.csv").write_text("id,x,y\n0,1,2\n1,9,8\n")
    header = "pair_id,moving,fixed,moving_labels,fixed_labels,moving_landmarks,fixed_landmarks\n"
    (tmp_path / "pairs.csv").write_text(header + "p,m.png,f.png,ml.png,fl.png,m.csv,f.csv\n")
    return DATASETS["manifest"].load()(str(tmp_path / "pairs.csv"))


def test_pairs_have_unique_safe_names_and_known_roles(reader):
    pairs = reader.pairs()
    assert pairs == reader.pairs()
    assert len({pair.pair for pair in pairs}) == len(pairs) > 0
    for pair in pairs:
        assert pair.dimension in (2, 3)
        assert set(pair.annotations) <= ROLES
        assert json.loads(json.dumps(pair.annotations)) == pair.annotations
        for name in (pair.pair, pair.moving, pair.fixed):
            assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_every_image_and_annotation_has_a_stable_stamp(reader):
    for pair in reader.pairs():
        for reference in (pair.moving, pair.fixed, *pair.annotations.values()):
            assert reader.stamp(reference) == reader.stamp(reference) not in ("", "absent")


def test_images_labels_and_landmarks_belong_together(reader):
    for pair in reader.pairs():
        n_points = set()
        for side in ("moving", "fixed"):
            image = reader.image(getattr(pair, side))
            assert image.data.shape[1:] == image.grid.shape
            assert image.grid.ndim == pair.dimension
            assert image.data.isfinite().all()
            if f"{side}_labels" in pair.annotations:
                labels = reader.labels(pair.annotations[f"{side}_labels"], image.grid)
                assert labels.shape == image.grid.shape
                assert labels.dtype.kind in "iu"
                assert labels.max() > 0
            if f"{side}_landmarks" in pair.annotations:
                points = reader.landmarks(pair.annotations[f"{side}_landmarks"], image.grid)
                assert points.shape[1] == pair.dimension
                n_points.add(len(points))
        assert len(n_points) <= 1


def test_every_reader_of_a_folder_is_tested_here():
    assert set(DATASETS) == {"manifest", *COMPUTED, *WRITERS}


def test_an_image_is_of_one_subject_and_every_published_pair_has_a_source(reader):
    subjects = {}
    for pair in reader.pairs():
        for image, subject in ((pair.moving, pair.moving_subject), (pair.fixed, pair.fixed_subject)):
            assert subjects.setdefault(image, subject) == subject
        if type(reader).__module__.rpartition(".")[2] in WRITERS:
            assert pair.source
            assert pair.moving_subject
            assert pair.fixed_subject


def test_a_reader_opened_again_lists_the_same(reader):
    path = getattr(reader, "root", None) or getattr(reader, "path", None)
    assert type(reader)(str(path) if path else None).pairs() == reader.pairs()


def test_names_of_labels_are_those_of_the_labels(reader):
    for pair in reader.pairs():
        if "fixed_labels" in pair.annotations and (names := reader.label_names(pair.pair)):
            image = reader.image(pair.fixed)
            labels = reader.labels(pair.annotations["fixed_labels"], image.grid)
            assert set(np.unique(labels)) - {0} <= set(names)
