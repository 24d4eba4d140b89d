import numpy as np
import pytest

from promptreg.datasets.tissue_regions import MOST, NAMES, tissue_regions


def section(*discs, shape=(200, 220), dark=True):
    """A light section of three channels with dark discs (y, x, radius)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, dtype=bool)
    for cy, cx, radius in discs:
        inside |= np.hypot(y - cy, x - cx) < radius
    values = np.where(inside, 60.0, 220.0) if dark else np.where(inside, 220.0, 60.0)
    return values, inside


def test_dark_parts_of_a_stained_section_are_regions_the_largest_first():
    values, _ = section((50, 60, 26), (140, 150, 40))
    labels = tissue_regions(np.stack([values] * 3))
    assert labels.dtype == np.int32
    assert labels[140, 150] == 1
    assert labels[50, 60] == 2
    assert labels[190, 10] == 0
    assert labels.max() == 2


def test_of_one_channel_the_bright_parts_are_regions():
    values, _ = section((100, 110, 40), dark=False)
    labels = tissue_regions(values[None])
    assert labels[100, 110] == 1
    assert labels[10, 10] == 0


def test_specks_and_what_fills_the_section_are_no_regions():
    values, _ = section((50, 60, 43), (140, 150, 43), (20, 200, 3))
    labels = tissue_regions(np.stack([values] * 3))
    assert labels.max() == 2
    assert labels[20, 200] == 0
    ramp = np.broadcast_to(np.linspace(0, 255, 220), (200, 220))
    assert tissue_regions(np.stack([ramp] * 3)).max() == 0


def test_there_are_never_more_regions_than_names():
    discs = [(20 + 40 * row, 20 + 40 * column, 11) for row in range(5) for column in range(5)]
    values, _ = section(*discs, shape=(200, 200))
    assert tissue_regions(np.stack([values] * 3)).max() == MOST == len(NAMES)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_regions_turn_with_the_picture(turns):
    rng = np.random.default_rng(0)
    values, _ = section((50, 60, 26), (120, 140, 40), shape=(200, 200))
    picture = np.stack([values + rng.normal(0, 2, values.shape) for _ in range(3)])
    turned = tissue_regions(np.rot90(picture, turns, axes=(1, 2)).copy())
    assert np.array_equal(turned > 0, np.rot90(tissue_regions(picture) > 0, turns))
