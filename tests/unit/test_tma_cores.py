import numpy as np
import pytest
from published_layouts import write_tma_cores

from promptreg.datasets.tma_cores import TmaCores


@pytest.fixture
def reader(tmp_path):
    write_tma_cores(tmp_path)
    return TmaCores(str(tmp_path))


def test_both_parts_are_read_under_their_own_endings(reader, tmp_path):
    found = [(one.moving, one.fixed, one.fixed_subject) for one in reader.pairs()]
    assert found == [(f"1B_A{n}_SHG", f"1B_A{n}_BF", f"tma-1B_A{n}") for n in (2, 3, 4)]
    assert reader.place("1B_A2_SHG") == tmp_path / "HighRes_Splits" / "WSI" / "train" / "1B_A2_MI.tif"
    assert reader.place("1B_A4_SHG") == tmp_path / "HighRes_Splits" / "WSI" / "test" / "1B_A4_SHG.tif"


def test_second_harmonic_has_one_channel_and_bright_field_three(reader):
    assert len(reader.image("1B_A2_SHG").data) == 1
    assert len(reader.image("1B_A2_BF").data) == 3


def test_points_are_the_same_on_both_images_which_lie_on_one_another(reader):
    pair = reader.pairs()[0]
    grid = reader.image(pair.fixed).grid
    one, other = (
        reader.landmarks(pair.annotations[f"{side}_landmarks"], grid) for side in ("moving", "fixed")
    )
    assert np.array_equal(one, other)
    assert len(one) == 36
    assert one.min() > 0
    assert one.max() < 39


def test_a_core_whose_second_harmonic_is_missing_is_seen_by_its_stamp(reader, tmp_path):
    reader.place("1B_A3_SHG").unlink()
    again = TmaCores(str(tmp_path))
    assert again.stamp("1B_A3_SHG") == "absent"
    with pytest.raises(FileNotFoundError, match=r"1B_A3_MI\.tif"):
        again.image("1B_A3_SHG")


def test_an_archive_without_its_outer_folder_is_read_too(reader, tmp_path):
    assert TmaCores(str(tmp_path / "HighRes_Splits")).pairs()[0].pair == reader.pairs()[0].pair
