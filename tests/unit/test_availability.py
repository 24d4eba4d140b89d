import pytest
from published_layouts import write_chaos, write_promis
from tiny_sources import archive, publish_sources, source

from promptreg.availability import availability, data_licences, root_of, source_of
from promptreg.config import Config, Dataset
from promptreg.settings import ConfigError


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Three published data sets: free, under terms, and not public."""
    publish_sources(
        tmp_path,
        monkeypatch,
        source(name="promise12", reader="promise12"),
        source(name="chaos", reader="chaos", accept="noncommercial", licence="CC BY-NC-SA 4.0"),
        source(name="promis", reader="promis", obtain="ask the trial team"),
        archives=[archive(source="promise12"), archive(source="chaos")],
    )
    return tmp_path / "data"


def config(root, *specs, **more):
    return Config(data_dir=str(root), datasets=specs, **more)


PROMISE = {"name": "a", "reader": "promise12"}
CHAOS = {"name": "b", "reader": "chaos"}
PROMIS = {"name": "c", "reader": "promis"}


def test_data_of_anybodys_own_and_computed_data_are_left_as_they_are(known):
    specs = ({"name": "demo", "reader": "demo"}, {"name": "own", "reader": "manifest", "path": "x.csv"})
    found = availability(config(known, *specs))
    assert [one.path for one in found.datasets] == [None, "x.csv"]
    assert (found.to_fetch, found.left_out) == ((), ())


def test_a_published_data_set_that_is_here_is_read_from_its_folder(known):
    write_promis(known / "promis")
    found = availability(config(known, PROMIS))
    assert found.datasets[0].path == str(known / "promis")
    assert found.to_fetch == ()


def test_what_may_be_downloaded_is_fetched_once_for_all_that_read_it(known):
    found = availability(config(known, PROMISE, PROMISE | {"name": "again", "limit": 3}))
    assert found.to_fetch == ("promise12",)
    assert [one.path for one in found.datasets] == [str(known / "promise12")] * 2


def test_data_under_terms_are_fetched_after_consent(known):
    with pytest.raises(
        ConfigError, match=r"data set 'b': 'chaos' is not here, and the licence .*not accepted"
    ):
        availability(config(known, CHAOS))
    assert availability(config(known, CHAOS, accept_licences=("chaos",))).to_fetch == ("chaos",)


def test_all_that_is_absent_is_said_at_once_with_what_to_do(known):
    with pytest.raises(ConfigError) as error:
        availability(config(known, PROMISE, CHAOS, PROMIS))
    first, *lines, last = str(error.value).splitlines()
    assert first == "the data of 2 data sets are absent:"
    assert [line.partition(":")[0] for line in lines] == ["- data set 'b'", "- data set 'c'"]
    assert "ask the trial team" in lines[1]
    assert "absent_data: leave_out" in last


def test_absent_data_are_left_out_if_asked_but_not_all_of_them(known):
    found = availability(config(known, PROMISE, PROMIS, absent_data="leave_out"))
    assert [one.name for one in found.datasets] == ["a"]
    ((name, reason),) = found.left_out
    assert name == "c"
    assert "ask the trial team" in reason
    with pytest.raises(ConfigError, match="the data of 1 data sets are absent") as error:
        availability(config(known, PROMIS, absent_data="leave_out"))
    assert "to run the others" not in str(error.value)


def test_a_path_of_ones_own_is_never_fetched(known, tmp_path):
    write_chaos(tmp_path / "mine")
    found = availability(config(known, CHAOS | {"path": str(tmp_path / "mine")}))
    assert (found.datasets[0].path, found.to_fetch) == (str(tmp_path / "mine"), ())
    with pytest.raises(ConfigError, match=r"gone: no such folder; correct `path`, or leave it out"):
        availability(config(known, PROMISE | {"path": str(tmp_path / "gone")}))


def test_a_source_is_that_of_the_reader_or_the_named_one(known, tmp_path, monkeypatch):
    assert source_of(Dataset(name="x", reader="chaos")).name == "chaos"
    assert source_of(Dataset(name="x", reader="demo")) is None
    with pytest.raises(ConfigError, match="unknown source 'huge'; known are promise12"):
        source_of(Dataset(name="x", reader="chaos", source="huge"))
    with pytest.raises(ConfigError, match="source 'promis' is read by 'promis', not by 'chaos'"):
        source_of(Dataset(name="x", reader="chaos", source="promis"))
    publish_sources(tmp_path, monkeypatch, source(name="learn2reg_lungct", reader="learn2reg"))
    assert source_of(Dataset(name="x", reader="learn2reg", source="learn2reg_lungct")) is not None


def test_the_root_is_that_of_the_configuration_or_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_DATA", str(tmp_path))
    assert root_of(Config()) == tmp_path
    assert str(root_of(Config(data_dir="there"))) == "there"


def test_the_licence_of_data_is_that_of_the_source_or_of_what_a_manifest_names(known):
    specs = (CHAOS, {"name": "own", "reader": "manifest"}, {"name": "mixed", "reader": "manifest"})
    named = {("mixed", "MR"): ["CHAOS", "other"], ("mixed", "CT"): ["Promise12"]}
    assert data_licences(config(known, *specs), named) == {
        "b": "CC BY-NC-SA 4.0; cite nobody",
        "own": "your own; not stated",
        "mixed": "CHAOS: CC BY-NC-SA 4.0; cite nobody. Promise12: CC0; cite nobody. other: not known here",
    }
    said = data_licences(config(known, {"name": "demo", "reader": "demo"}), {("demo", "x"): []})
    assert "scikit-image" in said["demo"]
