"""Readers on real files of published data sets, laid out as the releases are; skipped where there are none.

Not among them are PROMISE12 with its headers, scans of lungs, DICOM of CHAOS, whole tissue cores, bands and
class maps of Zurich Summer: their readers are tested on files of that layout alone.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from published_layouts import write_motions, write_points

from promptreg.registry import DATASETS

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="no real pairs beside the project"),
]
PICAI = {"prostatex_0000": "11373_1001396", "prostatex_0001": "10795_1000811"}
LUNGS = ("002", "003", "004", "007")


def link(target: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def points(file: Path) -> np.ndarray:
    with file.open(newline="") as stream:
        return np.array([[float(row["x"]), float(row["y"])] for row in csv.DictReader(stream)])


def motion(stem: Path) -> np.ndarray:
    """The rigid map (3, 3) from T to R that the landmarks of a pair were carried by."""
    r, t = (points(stem.with_name(f"{stem.name}_{which}_landmarks.csv")) for which in "RT")
    solution, *_ = np.linalg.lstsq(np.c_[t, np.ones(len(t))], r, rcond=None)
    return np.vstack([solution.T, [0, 0, 1]])


def same_content(reader, pair) -> list[float]:
    """Differences of the mean colour of every region between the two images, grey values."""
    found = []
    sides = []
    for side in ("moving", "fixed"):
        image = reader.image(getattr(pair, side))
        sides.append((image.data.numpy(), reader.labels(pair.annotations[f"{side}_labels"], image.grid)))
    for label in np.unique(sides[0][1])[1:]:
        means = [picture[:, labels == label].mean(axis=1) for picture, labels in sides]
        found.append(float(np.abs(means[0] - means[1]).max()))
    return found


def test_regions_of_real_tissue_cores_hold_the_same_tissue_on_both_images(tmp_path):
    base = tmp_path / "Eliceiri_patches" / "patch_tlevel4"
    cores = ("1B_I2", "1B_I4")
    for core in cores:
        for which in "RT":
            link(DATA / "pathology" / f"tma_{core}_{which}.tif", base / "B" / "test" / f"{core}_{which}.tif")
    motions = {core: motion(DATA / "pathology" / f"tma_{core}") for core in cores}
    write_motions(base / "info_test.csv", 834, motions)
    reader = DATASETS["tma_patches"].load()(str(tmp_path))
    pairs = reader.pairs()
    assert [one.group for one in pairs] == ["bright field, level 4"] * 2
    for pair in pairs:
        differences = same_content(reader, pair)
        assert len(differences) >= 2
        assert max(differences) < 3
        r, t = (
            reader.landmarks(pair.annotations[f"{side}_landmarks"], reader.image(getattr(pair, side)).grid)
            for side in ("fixed", "moving")
        )
        assert len(r) == len(t) > 10
        carried = t @ motions[pair.fixed[3:-2]][:2, :2].T + motions[pair.fixed[3:-2]][:2, 2]
        assert np.abs(carried - r).max() < 1e-6


def test_real_aerial_patches_are_read_red_first_and_their_lattices_correspond(tmp_path):
    known = {"B": ("zh7_01_04", "zh7_02_01", "zh18_01_02"), "A": ("zh12_01_01", "zh12_01_02")}
    for letter, level in (("B", 1), ("A", 4)):
        part = tmp_path / "Zurich_patches" / "fold1" / f"patch_tlevel{level}"
        for patch in known[letter]:
            for which in "RT":
                source = DATA / "aerial" / f"zurich_{patch}_{which}.png"
                link(source, part / letter / "test" / f"{patch}_{which}.png")
        maps = {patch: motion(DATA / "aerial" / f"zurich_{patch}") for patch in known[letter]}
        write_motions(part / "info_test.csv", 300, maps)
    reader = DATASETS["zurich_patches"].load()(str(tmp_path))
    pairs = reader.pairs()
    assert [one.group for one in pairs] == ["colour, level 1"] * 3 + ["near infrared, level 4"] * 2
    assert {one.fixed_subject for one in pairs} == {"zurich-zh7", "zurich-zh18", "zurich-zh12"}
    for pair in pairs:
        image = reader.image(pair.fixed)
        assert image.data.shape == (3 if pair.fixed.startswith("B") else 1, 300, 300)
        assert "fixed_labels" not in pair.annotations
    stored = np.asarray(PIL.Image.open(DATA / "aerial" / "zurich_zh7_01_04_R.png"), dtype=np.float32)
    assert np.array_equal(reader.image("B1_zh7_01_04_R").data.numpy(), np.moveaxis(stored[..., ::-1], -1, 0))


def test_real_prostates_of_pi_cai_and_their_labels_share_oblique_grids(tmp_path):
    labels = tmp_path / "picai_labels" / "anatomical_delineations"
    for name, study in PICAI.items():
        patient = study.partition("_")[0]
        source = DATA / "prostate_mr" / f"{name}_t2w.mha"
        link(source, tmp_path / "images" / patient / f"{study}_t2w.mha")
        for kind, folder in (("gland", "whole_gland/AI/Bosma22b"), ("zones", "zonal_pz_tz/AI/Yuan23")):
            link(DATA / "prostate_mr" / f"{name}_{kind}.nii.gz", labels / folder / f"{study}.nii.gz")
    reader = DATASETS["picai"].load()(str(tmp_path))
    pairs = reader.pairs()
    assert [(one.pair, one.group) for one in pairs] == [
        ("11373_1001396_to_10795_1000811-gland", "gland"),
        ("11373_1001396_to_10795_1000811-zones", "zones"),
    ]
    for pair in pairs:
        for side in ("moving", "fixed"):
            image = reader.image(getattr(pair, side))
            found = reader.labels(pair.annotations[f"{side}_labels"], image.grid)
            assert set(np.unique(found)) - {0} == set(reader.label_names(pair.pair))
            assert image.grid.spacing.round(3).tolist() == [3.0, 0.5, 0.5]
            assert 5_000 < (found > 0).sum() * np.prod(image.grid.spacing) < 200_000


def landmarks(case: str, breath: str, columns: str) -> np.ndarray:
    with (DATA / "lung_ct" / f"l2r_{case}_{breath}_landmarks.csv").open(newline="") as stream:
        return np.array([[float(row[one]) for one in columns] for row in csv.DictReader(stream)])


def test_real_masks_of_lungs_are_two_lungs_and_hold_the_published_points(tmp_path):
    for case in LUNGS:
        both = [landmarks(case, breath, "ijk") for breath in ("exp", "insp")]
        write_points(tmp_path / "keypoints" / f"case_{case}.csv", np.hstack(both))
        for breath in ("insp", "exp"):
            mask = DATA / "lung_ct" / f"l2r_{case}_{breath}_lungmask.nii.gz"
            for folder in ("scans", "lungMasks"):
                link(mask, tmp_path / "training" / folder / f"case_{case}_{breath}.nii.gz")
    reader = DATASETS["lung2020"].load()(str(tmp_path))
    pairs = reader.pairs()
    assert [one.fixed for one in pairs] == [f"case_{case}_exp" for case in LUNGS]
    for pair in pairs:
        image = reader.image(pair.fixed)
        lungs = reader.labels(pair.annotations["fixed_labels"], image.grid)
        right, left = ((lungs == label).sum() for label in (1, 2))
        assert 0.6 < right / left < 1.8
        x = [np.nonzero(lungs == label)[2].mean() for label in (1, 2)]
        assert (x[0] < x[1]) == (image.grid.affine[0, -2] > 0)
        for side, breath in (("fixed", "exp"), ("moving", "insp")):
            case = pair.fixed.split("_")[1]
            grid = reader.image(getattr(pair, side)).grid
            found = reader.landmarks(pair.annotations[f"{side}_landmarks"], grid)
            assert np.abs(found - landmarks(case, breath, "xyz")).max() < 0.01
