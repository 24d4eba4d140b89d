import numpy as np
import pytest
from published_layouts import TMA_MOTION, TMA_SIDE, seen_through, write_motions, write_tma_patches
from scipy import ndimage

from promptreg.datasets.rigid_patches import carried, lattice, motions
from promptreg.datasets.tma_patches import TmaPatches


def test_the_motion_is_recovered_from_the_corners(tmp_path):
    write_motions(tmp_path / "t.csv", TMA_SIDE, {"1B_I2": TMA_MOTION})
    np.testing.assert_allclose(motions(tmp_path / "t.csv")["1B_I2"], TMA_MOTION, atol=1e-9)


def test_corresponding_points_show_the_same_thing(tmp_path):
    write_tma_patches(tmp_path)
    reader = TmaPatches(str(tmp_path))
    pair = next(one for one in reader.pairs() if one.group == "bright field, level 4")
    values = {}
    for side in ("moving", "fixed"):
        image = reader.image(getattr(pair, side))
        points = reader.landmarks(pair.annotations[f"{side}_landmarks"], image.grid)
        values[side] = ndimage.map_coordinates(image.data[0].numpy(), points.T[::-1], order=1)
    assert np.abs(values["moving"] - values["fixed"]).max() < 6
    assert np.ptp(values["fixed"]) > 60


def test_regions_that_t_does_not_see_whole_are_left_out_and_others_agree():
    regions = np.zeros((TMA_SIDE, TMA_SIDE), dtype=int)
    regions[25:35, 20:40] = 1
    regions[:6, :6] = 2
    on_r, on_t = carried(regions, TMA_MOTION)
    assert set(np.unique(on_r)) == set(np.unique(on_t)) == {0, 1}
    expected = seen_through((regions == 1).astype(float), TMA_MOTION, order=0)
    assert np.mean((on_t == 1) != (expected > 0.5)) < 0.01


def test_the_lattice_lies_in_both_images():
    t, r = lattice(TMA_MOTION, (TMA_SIDE, TMA_SIDE))
    assert len(t) == len(r) > 20
    assert t.min() >= 0
    assert t.max() <= TMA_SIDE - 1


def test_a_table_that_is_no_rotation_or_lacks_columns_is_an_error(tmp_path):
    write_motions(tmp_path / "s.csv", TMA_SIDE, {"a": np.diag([1.2, 1.2, 1.0])})
    with pytest.raises(ValueError, match=r"s\.csv: line 2: the corners are moved by"):
        motions(tmp_path / "s.csv")
    (tmp_path / "e.csv").write_text("Filename,X1_Ref\na,0\n")
    with pytest.raises(ValueError, match=r"e\.csv: line 2: expected a Filename"):
        motions(tmp_path / "e.csv")
