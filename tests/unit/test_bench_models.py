import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from bench_models import OVERALL, click_measures, group_means, pair_measures, table
from bench_models_cases import (
    Labelled,
    LabelledPair,
    dice,
    group_of,
    inside,
    labelled_pairs,
    largest_slice,
    measuring_grid,
    random_cells,
    structure,
    world_of,
)
from bench_models_clicks import correction
from bench_models_pairs import misaligned

from promptreg.geometry import default_affine
from promptreg.imageio import write_image, write_labels
from promptreg.models.weightfree import WeightFree
from promptreg.types import Grid, Image


def square(*corners, side=20):
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[corners[0] : corners[1], corners[2] : corners[3]] = True
    return mask


def disc(name, centre, side=64, radius=12):
    grid = Grid((side, side), default_affine(2))
    y, x = np.mgrid[:side, :side]
    labels = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).astype(np.int32)
    noise = 0.05 * torch.randn(side, side, generator=torch.Generator().manual_seed(centre[0]))
    return Labelled(name, Image((torch.from_numpy(labels).float() + noise)[None], grid), labels)


def test_dice_of_two_squares_that_share_half_is_one_half_and_of_nothing_is_zero():
    masks = torch.stack([square(0, 4, 0, 4), square(0, 4, 2, 6), square(0, 0, 0, 0)])
    assert dice(masks, square(0, 4, 0, 4)).tolist() == [1.0, 0.5, 0.0]


def test_the_correction_of_a_mask_that_misses_the_most_is_a_positive_click_in_the_middle_of_that_part():
    cell, label = correction(square(0, 0, 0, 0), square(3, 8, 10, 15), Grid((20, 20), default_affine(2)))
    assert label == 1
    assert cell.tolist() == [5, 12]


def test_the_correction_of_a_mask_that_spills_the_most_is_a_negative_click():
    truth = square(2, 7, 2, 7)
    cell, label = correction(
        truth | square(10, 19, 10, 19), truth & ~square(2, 3, 2, 7), Grid((20, 20), default_affine(2))
    )
    assert label == 0
    assert cell.tolist() == [14, 14]


def test_a_perfect_mask_is_corrected_by_padding():
    assert correction(square(2, 7, 2, 7), square(2, 7, 2, 7), Grid((20, 20), default_affine(2)))[1] == -1


def test_the_depth_of_an_error_ends_at_the_edge_of_the_image():
    cell, _ = correction(square(0, 0, 0, 0), square(0, 5, 0, 5), Grid((20, 20), default_affine(2)))
    assert cell.tolist() == [2, 2]


def test_random_cells_lie_in_the_mask_and_are_those_of_the_seed():
    mask = square(3, 6, 9, 12)
    cells = random_cells(mask, 50, 1)
    assert mask[tuple(cells.T)].all()
    assert torch.equal(cells, random_cells(mask, 50, 1))
    assert not torch.equal(cells, random_cells(mask, 50, 2))


def test_a_point_is_inside_where_its_nearest_cell_is_and_never_beyond_the_grid():
    grid, mask = Grid((20, 20), default_affine(2, (2.0, 1.0))), torch.ones(20, 20, dtype=torch.bool)
    assert torch.equal(world_of(torch.tensor([[3, 5]]), grid), torch.tensor([[5.0, 6.0]]).double())
    assert inside(torch.tensor([[5.0, 6.0], [5.0, 39.5], [-1.0, 6.0]]), mask, grid).tolist() == [
        True,
        False,
        False,
    ]


def test_organs_have_groups_and_the_more_special_word_wins():
    assert group_of("2 transition zone of the prostate") == "prostate zones"
    assert group_of("1-5 lung lobes 3") == "lung lobes"
    assert group_of("left kidney") == "kidneys"
    assert group_of("tumour") == ""


def test_the_slice_with_most_of_a_label_is_taken_and_measured_on_its_own_grid():
    labels = np.zeros((4, 10, 10), np.int32)
    labels[1, :2, :2], labels[2, :3, :3], labels[3, :9, :9] = 1, 1, 2
    volume = Labelled("volume", Image(torch.rand(1, 4, 10, 10), Grid((4, 10, 10), default_affine(3))), labels)
    planar = largest_slice(volume, 1)
    assert int(structure(planar, 1).sum()) == 9
    assert torch.equal(planar.image.data, volume.image.data[:, 2])
    assert largest_slice(planar, 1) is planar


def test_a_fine_image_is_measured_on_a_coarser_grid_of_the_same_extent():
    grid = measuring_grid(Grid((512, 256), default_affine(2)))
    assert grid.shape == (256, 128)
    assert grid.extent.tolist() == [512, 256]


def test_a_misaligned_image_moves_with_its_labels_and_the_same_seed_moves_it_alike():
    given = disc("disc", (32, 32))
    moved = misaligned(given, 3)
    assert np.array_equal(moved.labels, misaligned(given, 3).labels)
    assert not np.array_equal(moved.labels, given.labels)
    assert float(moved.image.data[0][torch.from_numpy(moved.labels) == 1].mean()) > 0.9


@pytest.mark.parametrize("volumes", [False, True])
def test_a_manifest_gives_its_labelled_pairs_without_masks_that_are_their_own_labels(tmp_path, volumes):
    shape = (3, 24, 24) if volumes else (24, 24)
    grid = Grid(shape, default_affine(len(shape)))
    labels = np.zeros(shape, np.int32)
    labels[..., 5:10, 5:10] = 1
    for name in ("one", "two"):
        data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(len(name)))
        write_image(tmp_path / f"{name}.nii.gz", Image(data, grid))
        write_labels(tmp_path / f"{name}_labels.nii.gz", labels, grid)
    dimension = len(shape)
    (tmp_path / "pairs.csv").write_text(
        "pair_id,moving,fixed,dimension,moving_labels,fixed_labels,label_names\n"
        f"good,one.nii.gz,two.nii.gz,{dimension},one_labels.nii.gz,two_labels.nii.gz,1 liver; 2 tumour\n"
        f"bare,one_labels.nii.gz,two_labels.nii.gz,{dimension},one_labels.nii.gz,two_labels.nii.gz,1 lung\n"
        f"none,one.nii.gz,two.nii.gz,{dimension},,,1 liver\n"
    )
    pairs = list(labelled_pairs(tmp_path / "pairs.csv", 2))
    assert [pair.name for pair in pairs] == ["good"]
    assert pairs[0].groups == {1: "liver"}
    assert np.array_equal(pairs[0].moving.labels, labels)
    assert len(list(labelled_pairs(tmp_path / "pairs.csv", 3))) == int(volumes)


def test_every_measure_of_an_easy_disc_is_high_and_is_repeated_exactly():
    pair = LabelledPair("pair", disc("one", (24, 24)), disc("two", (40, 40)), {1: "liver"})
    model = WeightFree()
    rows = click_measures(model, iter([pair, pair]), 2, 2, 0)
    values = pd.DataFrame(rows, columns=["setting", "group", "measure", "value"])
    assert len(values[values.measure == "best, 1 click"]) == 4
    assert values[values.measure.str.startswith("best")]["value"].min() > 0.85
    found = pd.DataFrame(
        pair_measures(model, pair, 2, 2, 0), columns=["setting", "group", "measure", "value"]
    )
    means = found.groupby(["setting", "measure"])["value"].mean()
    assert means["aligned", "prompt hit, default"] == 1
    assert means["aligned", "dice R^y, default"] > 0.85
    assert means["misaligned", "dice R^x"] > 0.85
    again = pd.DataFrame(pair_measures(model, pair, 2, 2, 0), columns=found.columns)
    untimed = ~found.measure.str.contains("seconds")
    assert again[untimed].equals(found[untimed])


def test_the_overall_mean_weighs_groups_not_prompts():
    frame = pd.DataFrame({
        "model": "m", "dimension": 2, "setting": "clicks", "measure": "best, 1 click",
        "group": ["liver"] * 3 + ["LV"], "value": [1.0, 1.0, 1.0, 0.0],
    })  # fmt: skip
    means = group_means(frame).set_index("group")
    assert means.loc["liver", "value"] == 1
    assert means.loc["liver", "n"] == 3
    assert means.loc[OVERALL, "value"] == 0.5
    assert "best, 1 click" in table(group_means(frame))
