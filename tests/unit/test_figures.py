from __future__ import annotations

from html import unescape

import numpy as np
import pandas as pd
import pytest
import torch

from promptreg.correspond import Correspondences
from promptreg.figures import (
    before_and_after,
    encode,
    methods_side_by_side,
    metric_distributions,
    prompts_and_rois,
    stage_times,
    uncertainty_maps,
)
from promptreg.figures.curves import adapter_curves
from promptreg.figures.overlays import checkerboard, overlay
from promptreg.figures.sections import busiest_section, section, stretched
from promptreg.figures.style import color_of, colors
from promptreg.geometry import affine_to_ddf, default_affine, resized, world_coordinates
from promptreg.types import Ddf, Grid, Image, Pair, PointPrompts, RoiPairs


def make_pair(ndim: int) -> Pair:
    shape = (20, 24) if ndim == 2 else (6, 20, 24)
    grid = Grid(shape, default_affine(ndim, (4.0, 1.0, 1.0)[-ndim:]))
    data = torch.rand((1, *shape), generator=torch.Generator().manual_seed(0))
    return Pair(Image(data, grid), Image(data.flip(-1), grid), np.eye(ndim + 1), "p")


def make_found(pair: Pair, reasons: tuple[str, ...] = ("", "area ratio 9 above 4")) -> Correspondences:
    grid = resized(pair.fixed.grid, [max(n // 2, 3) for n in pair.fixed.grid.shape])
    n_rois, center = len(reasons), torch.as_tensor(grid.center)
    mask = (world_coordinates(grid) - center).norm(dim=-1).lt(7).float().expand(n_rois, *grid.shape)
    points = center.expand(n_rois, 3, -1) + torch.tensor([0.0, 3.0, 9.0])[None, :, None]
    labels = torch.tensor([[1, 1, 0]]).expand(n_rois, -1)
    rois = RoiPairs(mask, mask, grid, grid, torch.ones(n_rois))
    given = PointPrompts(points[:, :1], labels[:, :1])
    return Correspondences(rois, mask * 0.1, mask * 0.2, reasons, given, points, labels)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_prompt_is_numbered_in_both_images(ndim):
    pair = make_pair(ndim)
    figure = prompts_and_rois(pair, make_found(pair))
    assert sorted(texts(figure)) == ["1", "1", "2", "2"]


def test_a_rejected_pair_is_dashed_and_its_reason_is_written():
    pair = make_pair(2)
    figure = prompts_and_rois(pair, make_found(pair))
    assert figure.get_supxlabel() == "2 rejected: area ratio 9 above 4"
    styles = [line.get_linestyle()[0][1] for line in figure.axes[0].collections]
    assert [style is None for style in styles] == [True, False]


def test_a_pair_with_all_its_prompts_rejected_can_still_be_drawn():
    pair = make_pair(3)
    found = make_found(pair, ("no", "never"))
    assert len(encode(prompts_and_rois(pair, found), "png")) > 1000
    assert len(uncertainty_maps(pair, found).axes) == 3


@pytest.mark.parametrize("ndim", [2, 3])
def test_before_and_after_has_eight_panels_with_a_grid_in_one(ndim):
    pair = make_pair(ndim)
    figure = before_and_after(pair, affine_to_ddf(np.eye(ndim + 1), pair.fixed.grid))
    assert len(figure.axes) == 8
    assert [bool(ax.collections) for ax in figure.axes].index(True) == 4


def test_methods_keep_their_order_and_a_missing_field_shows_its_reason():
    pair = make_pair(3)
    labels = np.zeros(pair.fixed.grid.shape, int)
    labels[2:4, 5:15, 5:15] = 2
    fields: dict[str, Ddf | str] = {
        "zero": affine_to_ddf(np.eye(4), pair.fixed.grid),
        "tool": "not installed",
    }
    figure = methods_side_by_side(
        pair, fields, moving_labels=labels, fixed_labels=labels, notes={"zero": "x"}
    )
    assert [ax.get_title() for ax in figure.axes] == ["fixed", "zero\nx", "tool"]
    assert texts(figure) == ["not installed"]


def test_a_volume_is_cut_across_its_thickest_axis_where_the_masks_are():
    grid = make_pair(3).fixed.grid
    mask = torch.zeros(1, *grid.shape)
    mask[0, 4] = 1
    plane = busiest_section(grid, mask, grid)
    assert plane.axis == 0
    assert plane.read(mask, grid).min() == 1


def test_a_section_reads_the_plane_through_its_centre():
    grid = make_pair(3).fixed.grid
    data = world_coordinates(grid).movedim(-1, 0)
    plane = section(grid, torch.tensor([3.0, 4.0, 8.2]))
    assert plane.read(data, grid)[2] == pytest.approx(np.full((20, 24), 8.0))


def test_points_are_drawn_as_column_and_row_with_their_distance_from_the_plane():
    grid = make_pair(3).fixed.grid
    places, off = section(grid, torch.tensor([0.0, 0.0, 8.0])).project(torch.tensor([[5.0, 7.0, 16.0]]))
    assert places.tolist() == [[5.0, 7.0]]
    assert off.tolist() == [2.0]


def test_a_flat_image_is_its_own_section():
    grid = make_pair(2).fixed.grid
    plane = section(grid)
    assert plane.grid is grid
    assert plane.in_plane == [0, 1]


def test_agreeing_pictures_overlay_to_grey_and_disagreeing_ones_to_their_tints():
    ones, zeros = np.ones((1, 1)), np.zeros((1, 1))
    assert overlay(ones, ones)[0, 0] == pytest.approx([1, 1, 1])
    assert overlay(ones, zeros)[0, 0, 0] > overlay(ones, zeros)[0, 0, 2]
    assert overlay(zeros, ones)[0, 0, 2] > overlay(zeros, ones)[0, 0, 0]


def test_a_checkerboard_takes_turns():
    board = checkerboard(np.zeros((4, 4)), np.ones((4, 4)), n_tiles=2)
    assert board.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_a_constant_image_can_be_stretched():
    assert stretched(np.full((1, 3, 3), 7.0)).tolist() == np.zeros((3, 3)).tolist()


def cases() -> pd.DataFrame:
    rows = [
        ("d", group, entry, f"p{i}", metric, "mm", float(i))
        for group in ("a", "b")
        for entry in ("m", "n")
        for metric in ("dice", "hd95")
        for i in range(4)
    ]
    return pd.DataFrame(rows, columns=["dataset", "group", "entry", "pair", "metric", "unit", "value"])


@pytest.mark.filterwarnings("ignore:vert")
def test_distributions_have_one_panel_a_metric_and_group_and_a_place_for_every_method():
    figure = metric_distributions(cases(), ["n", "m", "missing"], metrics=["dice", "hd95"])
    assert len(figure.axes) == 4
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["n", "m", "missing"]
    assert figure.axes[2].get_xlabel() == "HD95 (mm)\nlower is better"


@pytest.mark.filterwarnings("ignore:vert")
def test_a_group_without_a_metric_has_no_panel_of_it():
    frame = cases()
    frame = frame[(frame["metric"] == "dice") | (frame["group"] == "a")]
    figure = metric_distributions(frame, ["m"], metrics=["dice", "hd95"])
    assert [ax.get_title() for ax in figure.axes if ax.axison] == ["a", "b", "a"]


def test_a_benchmark_in_which_everything_failed_can_still_be_drawn():
    figure = metric_distributions(cases()[:0], ["m"], metrics=["dice", "hd95"])
    assert texts(figure) == ["Dice: not measured", "HD95: not measured"]
    nothing = pd.DataFrame({"entry": [], "stage": [], "median": []})
    assert texts(stage_times(nothing, ["m"])) == [" no time measured"]


def test_stage_bars_end_at_the_total():
    seconds = pd.DataFrame(
        {"entry": ["m", "m", "n", "n"], "stage": ["a", "b"] * 2, "median": [1, 2, np.nan, np.nan]}
    )
    figure = stage_times(seconds, ["m", "n"])
    assert [text.strip() for text in texts(figure)] == ["3 s", "no time measured"]
    assert max(patch.get_x() + patch.get_width() for patch in figure.axes[0].patches) == 3


@pytest.mark.parametrize("fmt", ["png", "svg", "pdf"])
def test_the_same_figure_is_the_same_bytes(fmt):
    pair = make_pair(2)
    first, second = (encode(uncertainty_maps(pair, make_found(pair)), fmt) for _ in range(2))
    assert first == second


def test_an_unknown_format_is_an_error_that_lists_the_known_ones():
    pair = make_pair(2)
    with pytest.raises(ValueError, match="png, svg, pdf"):
        encode(uncertainty_maps(pair, make_found(pair)), "bmp")


def test_colours_are_distinct_beyond_the_length_of_the_palette():
    assert len({tuple(hue) for hue in colors(15, "colorblind")}) == 15
    assert list(color_of(["b", "a"], "colorblind")) == ["b", "a"]


HOSTILE = ["$x$", r"$\frac{", "cost $5, 50 %", "{group} _a_", "<script>", "心臓"]


@pytest.mark.filterwarnings("ignore:vert", "ignore:Glyph")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_users_call_a_group_is_drawn_as_it_is_and_breaks_no_figure(name):
    figure = metric_distributions(cases().replace({"group": {"a": name}}), ["m"], metrics=["dice"])
    assert f">{name}</text>" in unescape(encode(figure, "svg").decode())


def test_a_reason_with_a_path_of_dollars_is_drawn():
    pair = make_pair(2)
    figure = methods_side_by_side(pair, {"m": "$a$/{$\\frac{.png"})
    assert "$a$/{$\\frac{.png" in unescape(encode(figure, "svg").decode())


@pytest.mark.parametrize("losses", [[2.0, 3.0], [0.001, 900.0]])
def test_the_labels_of_a_logarithmic_axis_are_plain_numbers(losses):
    log = pd.DataFrame(
        {"step": [1, 2], **dict.fromkeys(("loss", "mask", "score", "dice", "seen_dice"), losses)}
    )
    drawn = unescape(encode(adapter_curves(log), "svg").decode())
    assert "mathdefault" not in drawn
    assert "$" not in drawn
