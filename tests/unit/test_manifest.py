import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from promptreg.datasets.manifest import Manifest, guess_dimension, image_id, parse_label_names

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "MANIFEST.csv"


def table(tmp_path, text, name="pairs.csv"):
    path = tmp_path / name
    path.write_text(text)
    return Manifest(str(path))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        PIL.Image.fromarray(rng.integers(0, 255, (6, 7), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        PIL.Image.fromarray(rng.integers(0, 3, (6, 7), dtype=np.uint8)).save(tmp_path / f"{name}_labels.png")
        (tmp_path / f"{name}.csv").write_text("id,x,y\n0,1,2\n1,3,4\n")
    return tmp_path


def test_a_full_row_lists_names_only(tmp_path):
    manifest = table(
        tmp_path,
        "pair_id,application,dimension,moving,fixed,moving_labels,fixed_labels,note\n"
        "p1,Liver,3,x/m.nii.gz,x/f.nii.gz,x/ml.nii.gz,,anything\n",
    )
    (pair,) = manifest.pairs()
    assert (pair.pair, pair.group, pair.dimension) == ("p1", "Liver", 3)
    assert pair.annotations == {"moving_labels": "x/ml.nii.gz"}
    assert pair.moving.startswith("m-")


def test_tab_separated_tables_and_missing_optional_columns_are_fine(tmp_path):
    (pair,) = table(tmp_path, "pair_id\tmoving\tfixed\np1\ta.png\tb.png\n", "pairs.tsv").pairs()
    assert (pair.group, pair.dimension, pair.annotations) == ("pairs", 2, {})


def test_a_table_may_say_who_was_imaged(tmp_path):
    columns = "pair_id,moving,fixed,dimension,moving_subject,fixed_subject"
    named, unknown = table(tmp_path, f"{columns}\np1,a.png,b.png,2,Ann,Bob\np2,a.png,c.png,2,,\n").pairs()
    assert (named.moving_subject, named.fixed_subject) == ("Ann", "Bob")
    assert (unknown.moving_subject, unknown.fixed_subject) == ("", "")


def test_a_table_may_say_which_public_data_set_a_pair_comes_from(tmp_path):
    named, unknown = table(
        tmp_path, "pair_id,moving,fixed,source\np1,a.png,b.png,CHAOS\np2,a.png,b.png,\n"
    ).pairs()
    assert (named.source, unknown.source) == ("CHAOS", "")


def test_listing_needs_no_torch():
    code = "import sys; import promptreg.datasets.manifest, promptreg.datasets.demo as d; d.Demo().pairs();"
    code += "sys.exit('torch' in sys.modules or 'SimpleITK' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everything_of_a_pair_can_be_read(folder):
    manifest = table(
        folder,
        "pair_id,moving,fixed,moving_labels,fixed_labels,moving_landmarks,fixed_landmarks,label_names\n"
        "p1,a.png,b.png,a_labels.png,b_labels.png,a.csv,b.csv,1 disc; 2 cup\n",
    )
    (pair,) = manifest.pairs()
    image = manifest.image(pair.moving)
    assert image.data.shape == (1, 6, 7)
    assert manifest.labels(pair.annotations["moving_labels"], image.grid).shape == (6, 7)
    np.testing.assert_array_equal(
        manifest.landmarks(pair.annotations["fixed_landmarks"], image.grid), [[1, 2], [3, 4]]
    )
    assert manifest.label_names("p1") == {1: "disc", 2: "cup"}


def test_equal_files_share_an_id_and_others_do_not():
    assert image_id("x/scan.nii.gz") == image_id("./x/scan.nii.gz")
    assert image_id("x/scan.nii.gz") != image_id("y/scan.nii.gz")
    assert image_id("x/my scan+é.nii.gz").startswith("my_scan__-")


def test_two_images_whose_ids_would_be_equal_have_ids_of_their_own(tmp_path):
    assert image_id("467/scan.png") == image_id("80311/scan.png")
    rows = "p1,467/scan.png,80311/scan.png\np2,80311/scan.png,./467/scan.png\n"
    first, second = table(tmp_path, f"pair_id,moving,fixed\n{rows}").pairs()
    assert first.moving != first.fixed
    assert (second.moving, second.fixed) == (first.fixed, first.moving)
    assert first.moving == image_id("467/scan.png")


def test_the_id_of_a_long_file_name_leaves_room_for_suffixes():
    assert len(image_id(f"{'x' * 250}.png")) < 150


def test_a_missing_file_fails_when_it_is_read_and_not_before(tmp_path):
    manifest = table(tmp_path, "pair_id,moving,fixed\np1,gone.nii.gz,gone.png\n")
    (pair,) = manifest.pairs()
    assert manifest.stamp(pair.moving) == "absent"
    with pytest.raises(FileNotFoundError, match=r"gone\.nii\.gz"):
        manifest.image(pair.moving)


def test_the_stamp_follows_the_file(folder):
    manifest = table(folder, "pair_id,moving,fixed,fixed_landmarks\np1,a.png,b.png,b.csv\n")
    (pair,) = manifest.pairs()
    before = [manifest.stamp(r) for r in (pair.moving, pair.annotations["fixed_landmarks"])]
    (folder / "b.csv").write_text("id,x,y\n0,1,2\n")
    after = [manifest.stamp(r) for r in (pair.moving, pair.annotations["fixed_landmarks"])]
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'pair_id'"),
        ("pair_id,moving,fixed\n", "no pairs"),
        ("pair,moving,fixed\np,a,b\n", r"line 1: no column 'pair_id'; did you mean it by pair\?"),
        ("pair_id,moving,fixed,moving_label\np,a,b,c\n", "'moving_label' would be ignored"),
        ("pair_id,moving,fixed,fixed\np,a,b,b\n", "'fixed' stands there twice"),
        ("pair_id,moving,fixed\np,a,b\n\np,c,d\n", "line 4: column 'pair_id': 'p' is in line 2 already"),
        ("pair_id,moving,fixed\np,,b\n", "line 2: column 'moving' is empty"),
        ("pair_id,moving,fixed\np 1,a,b\n", "line 2: column 'pair_id': 'p 1' may hold only"),
        ("pair_id,moving,fixed\n../p,a,b\n", "may hold only"),
        ("pair_id,moving,fixed\n..,a,b\n", "may hold only"),
        ("pair_id,moving,fixed\n.hidden,a,b\n", "may hold only"),
        ("pair_id,moving,fixed\n-rf,a,b\n", "may hold only"),
        (f"pair_id,moving,fixed\n{'p' * 129},a,b\n", "128 of them at most"),
        ('pair_id,moving,fixed\np,"a\nb",b\n', r"column 'moving' holds the control character '\\n'"),
        ("pair_id,moving,fixed,application\np,a,b,x\x1b[2J\n", r"'application' holds .*'\\x1b'"),
        ("pair_id,moving,fixed,dimension\np,a,b,4\n", "line 2: column 'dimension': '4'"),
        ("pair_id,moving,fixed\np,a\n", "line 2: 2 cells; expected 3"),
        ('pair_id,moving,fixed\np,"a"x,b\n', "not a CSV table"),
    ],
)
def test_bad_tables_are_errors_that_say_where(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        table(tmp_path, text).pairs()


def test_tables_that_are_no_text_or_not_there_are_errors(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00pair_id")
    with pytest.raises(ValueError, match="UTF-8"):
        Manifest(str(tmp_path / "pairs.csv")).pairs()
    with pytest.raises(FileNotFoundError, match="no such manifest"):
        Manifest(str(tmp_path / "other.csv")).pairs()
    with pytest.raises(FileNotFoundError, match="is a folder"):
        Manifest(str(tmp_path)).pairs()
    with pytest.raises(ValueError, match="needs a CSV"):
        Manifest(None)


def test_the_dimension_is_read_from_the_header(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((8, 9)))
    np.save(tmp_path / "colour.npy", np.zeros((8, 9, 3)))
    np.savez(tmp_path / "deep.npz", np.zeros((7, 8, 9)))
    with gzip.open(tmp_path / "slice.npy.gz", "wb") as file:
        np.save(file, np.zeros((1, 8, 9)))
    expected = {
        "flat.npy": 2,
        "colour.npy": 2,
        "deep.npz": 3,
        "slice.npy.gz": 2,
        "gone.mha": 3,
        "gone.jpg": 2,
    }
    assert {name: guess_dimension(tmp_path / name) for name in expected} == expected


def test_the_dimension_of_a_medical_file_is_that_of_more_than_one_cell(tmp_path):
    import SimpleITK

    for name, shape in (("slice.nii.gz", (1, 8, 9)), ("volume.nii.gz", (2, 8, 9)), ("flat.mha", (8, 9))):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros(shape)), str(tmp_path / name))
    assert guess_dimension(tmp_path / "slice.nii.gz") == 2
    assert guess_dimension(tmp_path / "volume.nii.gz") == 3
    assert guess_dimension(tmp_path / "flat.mha") == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {}),
        ("1 liver; 2 right kidney", {1: "liver", 2: "right kidney"}),
        ("1-3 lobe; 9: heart", {1: "lobe 1", 2: "lobe 2", 3: "lobe 3", 9: "heart"}),
        ("prostate gland", {1: "prostate gland"}),
    ],
)
def test_label_names_are_parsed(text, names):
    assert parse_label_names(text) == names


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_file(), reason="no real image pairs beside the project")
def test_every_real_pair_is_listed_and_read():
    manifest = Manifest(str(REAL))
    pairs = manifest.pairs()
    assert len(pairs) == 48
    for pair in pairs:
        counts = {}
        for side in ("moving", "fixed"):
            image = manifest.image(getattr(pair, side))
            assert image.grid.ndim == pair.dimension
            if f"{side}_labels" in pair.annotations:
                labels = manifest.labels(pair.annotations[f"{side}_labels"], image.grid)
                assert labels.shape == image.grid.shape
                assert set(np.unique(labels)) - {0} <= set(manifest.label_names(pair.pair))
            if f"{side}_landmarks" in pair.annotations:
                counts[side] = manifest.landmarks(pair.annotations[f"{side}_landmarks"], image.grid).shape
        assert len(set(counts.values())) <= 1
