import pytest
from published_layouts import WRITERS
from tiny_sources import archive, publish_sources, source

from promptreg.checkpoint_table import table as checkpoints
from promptreg.registry import DATASETS
from promptreg.source_table import expanded, find_source, sources


def test_every_reader_of_a_published_release_has_a_source():
    listed = {one.reader for one in sources().values()}
    assert listed == set(WRITERS) - {"chaos_nifti"}
    assert listed <= set(DATASETS)


def test_no_data_set_has_the_name_of_a_checkpoint_so_that_consent_is_to_one_thing():
    assert not set(sources()) & set(checkpoints())


def test_the_first_source_of_a_reader_has_its_name_unless_it_reads_several():
    for one in sources().values():
        assert one.name == one.reader or one.name.startswith(f"{one.reader}_")


def test_what_is_downloaded_without_a_published_hash_is_only_what_has_none():
    hashed = {"promise12", "chaos", "lung2020"}
    for one in sources().values():
        if one.name in hashed:
            assert all(file.sha256 for file in one.archives)


def test_a_data_set_has_its_files(tmp_path, monkeypatch):
    publish_sources(
        tmp_path,
        monkeypatch,
        source(subjects="case{1,3..4}"),
        archives=[archive(), archive(file="b.tar.gz", bytes="", into="images", strip="1")],
    )
    found = find_source("tiny")
    assert found.subjects == ("case1", "case3", "case4")
    assert [one.file for one in found.archives] == ["a.zip", "b.tar.gz"]
    assert (found.archives[0].n_bytes, found.archives[1].n_bytes) == (10, None)
    assert (found.archives[1].into, found.archives[1].strip) == ("images", 1)
    assert found.fetch_command == "promptreg data fetch tiny"


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("a{01,05..07}", ("a01", "a05", "a06", "a07")), ("z-{9..11}", ("z-9", "z-10", "z-11"))],
)
def test_names_of_subjects_are_expanded_with_their_zeros(text, names):
    assert expanded(text) == names


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("name", "../up", "small letters"),
        ("record", "zenodo", "an address or nothing"),
        ("licence", "", "the licence of the data"),
        ("accept", "yes", "nothing or noncommercial or gated or unstated"),
        ("subjects", "a b", "such as case"),
        ("obtain", "", "what a user has to do"),
        ("citation", "", "whom to cite"),
    ],
)
def test_a_malformed_cell_of_a_source_is_named(tmp_path, monkeypatch, column, text, words):
    publish_sources(tmp_path, monkeypatch, source(**{column: text}))
    with pytest.raises(ValueError, match=r"sources\.tsv, row") as error:
        sources()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("source", "other", "no such data set"),
        ("file", "../a.zip", "a plain file name"),
        ("file", "a.exe", "that ends in .zip"),
        ("file", "*.zip", "is a pattern, which needs a record"),
        ("url", "file:///etc/passwd", "begins with https://"),
        ("bytes", "-1", "a number or nothing"),
        ("sha256", "ab", "64 hexadecimal digits"),
        ("into", "../up", "a folder below"),
        ("into", "/tmp", "a folder below"),
        ("strip", "x", "a number or nothing"),
    ],
)
def test_a_malformed_cell_of_a_file_is_named(tmp_path, monkeypatch, column, text, words):
    publish_sources(tmp_path, monkeypatch, source(), archives=[archive(**{column: text})])
    with pytest.raises(ValueError, match=r"archives\.tsv, row") as error:
        sources()
    assert words in str(error.value)


def test_an_unknown_data_set_is_answered_with_the_known_names(tmp_path, monkeypatch):
    publish_sources(tmp_path, monkeypatch, source())
    with pytest.raises(ValueError, match=r"unknown data set 'chaos': .* has tiny"):
        find_source("chaos")
