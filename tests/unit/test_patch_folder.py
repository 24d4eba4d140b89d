import numpy as np
import pytest
from published_layouts import TMA_MOTION, TMA_SIDE, rigid, texture, write_motions, write_picture

from promptreg.datasets.patch_folder import PatchFolder
from promptreg.types import Grid


class Patches(PatchFolder):
    """Two modalities in two folds, without regions."""

    reader = "patches"
    layout = "patches"
    outer = "Outer"
    folds = ("fold1", "fold2")
    modalities = {"B": "bright", "A": "dark"}  # noqa: RUF012
    suffix = ".png"
    source = "some record"

    def subject(self, patch):
        return patch.partition("_")[0]


@pytest.fixture
def folder(tmp_path):
    """Patches s1_01 (fold 1) and s2_01 (fold 2), levels 1 and 4, modality A at level 1 alone."""
    for fold, patch in (("fold1", "s1_01"), ("fold2", "s2_01")):
        for level, letters in ((1, "AB"), (4, "B")):
            part = tmp_path / "Outer" / fold / f"patch_tlevel{level}"
            for letter in letters:
                for which in "RT":
                    values = texture((TMA_SIDE, TMA_SIDE), level).clip(0, 255).astype(np.uint8)
                    write_picture(part / letter / "test" / f"{patch}_{which}.png", values)
            write_motions(part / "info_test.csv", TMA_SIDE, {patch: TMA_MOTION})
    return tmp_path


def test_t_is_moved_onto_r_modality_by_modality_level_by_level_fold_by_fold(folder):
    found = [(one.pair, one.group) for one in Patches(str(folder)).pairs()]
    assert found == [
        ("B1_s1_01_T_to_B1_s1_01_R", "bright, level 1"),
        ("B1_s2_01_T_to_B1_s2_01_R", "bright, level 1"),
        ("B4_s1_01_T_to_B4_s1_01_R", "bright, level 4"),
        ("B4_s2_01_T_to_B4_s2_01_R", "bright, level 4"),
        ("A1_s1_01_T_to_A1_s1_01_R", "dark, level 1"),
        ("A1_s2_01_T_to_A1_s2_01_R", "dark, level 1"),
    ]


def test_a_pair_is_planar_of_one_subject_and_of_the_record(folder):
    for one in Patches(str(folder)).pairs():
        assert one.dimension == 2
        assert one.moving_subject == one.fixed_subject == one.fixed[3:5]
        assert one.source == "some record"
        assert set(one.annotations) == {"moving_landmarks", "fixed_landmarks"}


def test_the_outer_folder_may_be_missing(folder):
    assert len(Patches(str(folder / "Outer")).pairs()) == 6


def test_points_of_t_lie_where_the_known_motion_takes_them_on_r(folder):
    reader = Patches(str(folder))
    pair = reader.pairs()[2]
    grid = Grid((TMA_SIDE, TMA_SIDE), np.eye(3), "px")
    t, r = (reader.landmarks(pair.annotations[f"{side}_landmarks"], grid) for side in ("moving", "fixed"))
    assert len(t) == len(r) > 10
    assert np.allclose(t @ TMA_MOTION[:2, :2].T + TMA_MOTION[:2, 2], r, atol=0.02)
    assert (t >= 0).all()
    assert (t <= TMA_SIDE - 1).all()


def test_a_patch_without_a_row_in_the_table_is_an_error_that_names_both(folder):
    reader = Patches(str(folder))
    with pytest.raises(ValueError, match=r"info_test\.csv: no row with the Filename 's9_01'"):
        reader.motion("Outer/fold1/patch_tlevel1/info_test.csv", "s9_01")


def test_folds_and_levels_that_are_absent_are_not_missed_but_an_empty_folder_is(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match="expected patches, found nothing"):
        Patches(str(empty)).pairs()


def test_a_motion_that_is_no_rotation_is_an_error(folder):
    part = folder / "Outer" / "fold1" / "patch_tlevel1"
    stretched = rigid(TMA_SIDE, (0, 0), 0) @ np.diag([1.2, 1, 1])
    write_motions(part / "info_test.csv", TMA_SIDE, {"s1_01": stretched})
    with pytest.raises(ValueError, match="which is no rotation"):
        Patches(str(folder)).motion("Outer/fold1/patch_tlevel1/info_test.csv", "s1_01")
