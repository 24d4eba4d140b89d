import numpy as np
import pytest
from published_layouts import (
    TMA_MOTION,
    TMA_SIDE,
    seen_through,
    write_motions,
    write_picture,
    write_tma_patches,
)

from promptreg.datasets.rigid_patches import inside, mapped
from promptreg.datasets.tma_patches import TmaPatches


@pytest.fixture
def reader(tmp_path):
    write_tma_patches(tmp_path)
    return TmaPatches(str(tmp_path))


def test_bright_field_comes_first_and_a_core_is_a_subject(reader):
    found = [(one.pair, one.group, one.fixed_subject) for one in reader.pairs()]
    assert found == [
        ("B1_1B_I2_T_to_B1_1B_I2_R", "bright field, level 1", "tma-1B_I2"),
        ("B4_1B_I2_T_to_B4_1B_I2_R", "bright field, level 4", "tma-1B_I2"),
        ("A1_1B_I2_T_to_A1_1B_I2_R", "second harmonic, level 1", "tma-1B_I2"),
        ("A4_1B_I2_T_to_A4_1B_I2_R", "second harmonic, level 4", "tma-1B_I2"),
    ]


def test_bright_field_has_three_channels_and_second_harmonic_one(reader):
    assert reader.image("B1_1B_I2_R").data.shape == (3, TMA_SIDE, TMA_SIDE)
    assert reader.image("A1_1B_I2_R").data.shape == (1, TMA_SIDE, TMA_SIDE)


@pytest.mark.parametrize("place", range(4))
def test_regions_on_t_are_those_on_r_under_the_known_motion(reader, place):
    pair = reader.pairs()[place]
    grid = reader.image(pair.fixed).grid
    on_t, on_r = (reader.labels(pair.annotations[f"{side}_labels"], grid) for side in ("moving", "fixed"))
    assert set(np.unique(on_t)) == set(np.unique(on_r))
    assert 0 < on_r.max() <= len(reader.label_names(pair.pair))
    motion = reader.motion(pair.annotations["fixed_labels"].partition("|")[0], "1B_I2")
    y, x = np.mgrid[:TMA_SIDE, :TMA_SIDE]
    source = mapped(motion, np.stack([x, y], axis=-1).astype(float))
    seen = inside(source, (TMA_SIDE, TMA_SIDE))
    assert np.array_equal(seen_through(on_r, motion, order=0)[seen], on_t[seen])
    assert not on_t[(source < -0.5).any(axis=-1) | (source > TMA_SIDE - 0.5).any(axis=-1)].any()


def test_a_region_that_t_does_not_see_whole_is_on_neither_image(tmp_path):
    part = tmp_path / "Eliceiri_patches" / "patch_tlevel4"
    picture = np.full((TMA_SIDE, TMA_SIDE, 3), 220, dtype=np.uint8)
    picture[24:40, 24:40] = 60
    picture[0:12, 50:64] = 60
    for which in "RT":
        write_picture(part / "B" / "test" / f"1B_I2_{which}.tif", picture)
    write_motions(part / "info_test.csv", TMA_SIDE, {"1B_I2": TMA_MOTION})
    reader = TmaPatches(str(tmp_path))
    (pair,) = reader.pairs()
    grid = reader.image(pair.fixed).grid
    for side in ("moving", "fixed"):
        labels = reader.labels(pair.annotations[f"{side}_labels"], grid)
        assert labels[32, 32] > 0
        assert labels[:8, 54:].max() == 0


def test_a_missing_table_is_an_error_when_the_truth_is_read(reader, tmp_path):
    pair = reader.pairs()[0]
    (tmp_path / "Eliceiri_patches" / "patch_tlevel1" / "info_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"info_test\.csv"):
        TmaPatches(str(tmp_path)).labels(pair.annotations["fixed_labels"], reader.image(pair.fixed).grid)
