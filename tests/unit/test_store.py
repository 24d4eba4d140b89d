import json
import shutil
import zipfile

import numpy as np
import pytest
import zarr
from damage import flip_in_store
from zarr.storage import ZipStore

from promptreg.provenance import Signature
from promptreg.store import DATA, SIGNATURE, StoreError, create, open_store, read_record, require

MADE = Signature("ddf", {"weight": 0.1}, {"pairs": "abc"}, "c0de")


def values(seed=0):
    return np.random.default_rng(seed).normal(size=(2, 30, 40)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    """A complete store of two pairs, the second of which failed."""
    path = tmp_path / "ddf" / "000.zarr"
    with create(path, MADE) as writer:
        writer.put("first", {"displacement": (("component", "y", "x"), values())}, unit="mm")
        writer.fail("second", "fit: ValueError: no regions")
    return path


CHUNK = "first/displacement/c/0/0/0"


def test_what_was_written_is_read_back_with_its_attributes(path):
    store = open_store(path, "ddf")
    found = store.get("first")
    np.testing.assert_array_equal(found["displacement"].values, values())
    assert found["displacement"].dims == ("component", "y", "x")
    assert found.attrs["unit"] == "mm"
    assert store.attrs("first")["status"] == "ok"
    assert store.signature == MADE
    assert "torch" in store.versions


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.int32, bool])
def test_every_number_type_in_use_keeps_its_bits_also_when_empty(tmp_path, kind):
    full = (values() > 0).astype(kind)
    arrays = {"full": (("a", "b", "c"), full), "none": (("d", "c"), full[:0, 0]), "one": ((), full[0, 0, 0])}
    with create(tmp_path / "s.zarr", MADE) as writer:
        writer.put("g", {**arrays, "features": (("a", "b", "c"), full)})
    found = open_store(tmp_path / "s.zarr").get("g")
    for name, (_, array) in arrays.items():
        assert found[name].dtype == kind
        np.testing.assert_array_equal(found[name].values, array)
    np.testing.assert_array_equal(found["features"].values, full)


def test_a_failed_pair_is_a_group_with_a_reason_and_no_arrays(path):
    store = open_store(path)
    assert store.groups == ["first", "second"]
    assert store.attrs("second") == {"status": "failed", "reason": "fit: ValueError: no regions"}
    assert not store.get("second").data_vars


def test_an_error_in_the_writer_leaves_nothing(tmp_path):
    def interrupted():
        with create(tmp_path / "s.zarr", MADE) as writer:
            writer.put("first", {"a": (("x",), np.arange(3))})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_writer_keeps_the_complete_store_that_was_there(path):
    def failing():
        with create(path, MADE):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        failing()
    assert open_store(path).groups == ["first", "second"]
    assert list(path.parent.iterdir()) == [path]


def test_the_store_is_absent_until_it_is_complete(tmp_path):
    path = tmp_path / "s.zarr"
    with create(path, MADE) as writer:
        writer.put("first", {"a": (("x",), np.arange(3))})
        assert not path.exists()
    assert open_store(path).groups == ["first"]


def test_attributes_that_are_no_json_leave_nothing(tmp_path):
    def writing():
        with create(tmp_path / "s.zarr", MADE) as writer:
            writer.put("first", {}, grid=object())

    with pytest.raises(TypeError):
        writing()
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_in_a_chunk_is_detected_and_named_when_it_is_read(path):
    flip_in_store(path, CHUNK, 9)
    with pytest.raises(StoreError, match=r"000\.zarr, group first.*delete the store and run again"):
        open_store(path).get("first")


def test_a_flipped_byte_in_uncompressed_features_is_detected_too(tmp_path):
    with create(tmp_path / "s.zarr", MADE) as writer:
        writer.put("g", {"features": (("c", "y", "x"), values().astype(np.float16))})
    flip_in_store(tmp_path / "s.zarr", "g/features/c/0/0/0", 999)
    with pytest.raises(StoreError, match="group g"):
        open_store(tmp_path / "s.zarr").get("g")


@pytest.mark.parametrize("name", ["zarr.json", "first/zarr.json", "first/displacement/zarr.json"])
def test_a_flipped_byte_in_the_metadata_is_detected_and_named(path, name):
    flip_in_store(path, name, 20)
    with pytest.raises(StoreError, match=f"{DATA} was damaged.*'{name}'"):
        open_store(path)


def test_no_flipped_byte_and_no_cut_ever_gives_other_values(tmp_path):
    """Every third byte in turn: an error that names the store, or the values as they were written."""
    path, small = tmp_path / "s.zarr", np.arange(6, dtype=np.float32).reshape(2, 3)
    with create(path, MADE) as writer:
        writer.put("g", {"a": (("y", "x"), small)}, unit="mm")
    whole = (path / DATA).read_bytes()
    errors = []
    spoiled = [
        whole[:place] + bytes([whole[place] ^ 0b100]) + whole[place + 1 :]
        for place in range(0, len(whole), 3)
    ]
    for content in [*spoiled, *(whole[:size] for size in range(0, len(whole), 50))]:
        (path / DATA).write_bytes(content)
        try:
            store = open_store(path)
            found, unit = store.get("g")["a"].values, store.attrs("g")["unit"]
        except StoreError as error:
            errors.append(str(error))
        else:
            assert (found.tolist(), unit) == (small.tolist(), "mm")
    assert len(errors) > 0.8 * len(spoiled)
    assert all(str(path) in one for one in errors)


def test_an_altered_signature_is_detected(path):
    record = json.loads((path / SIGNATURE).read_text())
    record["signature"]["params"]["weight"] = 0.2
    (path / SIGNATURE).write_text(json.dumps(record))
    with pytest.raises(StoreError, match=f"{SIGNATURE} was altered"):
        open_store(path)


def test_an_archive_cut_short_or_missing_is_detected_and_named(path):
    (path / DATA).write_bytes((path / DATA).read_bytes()[:-5])
    with pytest.raises(StoreError, match=rf"000\.zarr: {DATA} was damaged"):
        open_store(path)
    (path / DATA).unlink()
    with pytest.raises(StoreError, match=rf"000\.zarr: {DATA} was damaged.*No such file"):
        open_store(path)


def test_a_chunk_that_another_archive_lacks_is_detected_and_not_read_as_zeros(path):
    with zipfile.ZipFile(path / DATA) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != CHUNK}
    with zipfile.ZipFile(path / DATA, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    with pytest.raises(StoreError, match=f"{CHUNK} is missing"):
        open_store(path)


def test_a_store_is_two_files_however_many_groups_it_has(tmp_path):
    with create(tmp_path / "s.zarr", MADE) as writer:
        for number in range(20):
            writer.put(f"g{number}", {name: (("x",), np.arange(3)) for name in "abc"})
    assert sorted(one.name for one in (tmp_path / "s.zarr").rglob("*")) == [DATA, SIGNATURE]


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("one", "two"):
        with create(tmp_path / name, MADE) as writer:
            writer.put("g", {"a": (("x",), np.arange(3))}, unit="mm")
    for file in (DATA, SIGNATURE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_record_says_what_failed_without_a_look_at_the_data(path):
    (path / DATA).unlink()
    record = read_record(path)
    assert record["groups"] == ["first", "second"]
    assert record["reasons"] == {"second": ["failed", "fit: ValueError: no regions"]}


def test_the_archive_is_a_zarr_store_for_anybody(path):
    found = zarr.open_group(ZipStore(path / DATA, mode="r"), mode="r")
    np.testing.assert_array_equal(found["first/displacement"][:], values())


@pytest.mark.parametrize("content", [None, "", '{"signature"', "[]", "{}"])
def test_a_store_without_a_readable_signature_is_no_store(path, content):
    (path / SIGNATURE).unlink()
    if content is not None:
        (path / SIGNATURE).write_text(content)
    with pytest.raises(StoreError, match=rf"000\.zarr: no readable {SIGNATURE}"):
        open_store(path)


def test_an_absent_store_is_an_error_that_names_it(tmp_path):
    with pytest.raises(StoreError, match=r"nowhere\.zarr"):
        open_store(tmp_path / "nowhere.zarr")


def test_a_store_of_another_kind_and_an_unknown_group_are_errors_that_say_what_is_there(path):
    with pytest.raises(StoreError, match="expected kind 'rois', found 'ddf'"):
        open_store(path, "rois")
    with pytest.raises(StoreError, match="no group 'third'; it holds first, second"):
        open_store(path).get("third")
    with pytest.raises(StoreError, match="no group 'third'"):
        open_store(path).attrs("third")


def test_the_same_signature_replaces_a_store_whole(path):
    with create(path, MADE) as writer:
        writer.put("only", {})
    assert open_store(path).groups == ["only"]


def test_another_signature_at_the_same_path_is_refused_and_the_store_kept(path):
    other = Signature("ddf", {"weight": 0.2}, {"pairs": "abc"}, "c0de")
    with pytest.raises(StoreError, match="made from other inputs or settings"), create(path, other):
        pass
    assert open_store(path).signature == MADE


def test_a_folder_that_is_no_store_is_not_replaced(tmp_path):
    (tmp_path / "photos.zarr").mkdir()
    (tmp_path / "photos.zarr" / "cat.png").touch()
    with (
        pytest.raises(StoreError, match=r"photos\.zarr: no readable"),
        create(tmp_path / "photos.zarr", MADE),
    ):
        pass
    assert (tmp_path / "photos.zarr" / "cat.png").exists()


def test_a_moved_store_stays_whole(path, tmp_path):
    shutil.move(path, tmp_path / "elsewhere.zarr")
    assert open_store(tmp_path / "elsewhere.zarr").get("first")["displacement"].shape == (2, 30, 40)


def test_parameters_can_be_required_of_a_store(path):
    require(open_store(path), weight=0.1)
    with pytest.raises(StoreError, match=r"made with weight=0\.1, needed 0\.3"):
        require(open_store(path), weight=0.3)
