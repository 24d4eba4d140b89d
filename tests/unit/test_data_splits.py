import pytest
from published_layouts import write_chaos, write_promis
from tiny_sources import publish_sources, source

from promptreg.config import Config
from promptreg.data_splits import update_splits
from promptreg.settings import ConfigError
from promptreg.split_tables import read_split, write_split


@pytest.fixture
def update(tmp_path, monkeypatch):
    """Update the tables of data sets below a folder of data; prostates are not published with names."""
    publish_sources(
        tmp_path,
        monkeypatch,
        source(name="chaos", reader="chaos", subjects="chaos-{01..20}"),
        source(name="promis", reader="promis"),
    )

    def run(*specs, **more):
        return list(update_splits(Config(data_dir=str(tmp_path / "data"), datasets=specs, **more)))

    return run


def test_the_table_of_a_published_release_needs_no_data_and_has_its_shares(update, tmp_path):
    table = tmp_path / "chaos.tsv"
    (one,) = update({"name": "MR", "reader": "chaos", "split": str(table)})
    assert (one.dataset, one.path, one.n_new) == ("MR", table, 20)
    assert read_split(table) == one.parts
    assert sorted(one.parts.values()).count("test") == 4
    (again,) = update({"name": "MR", "reader": "chaos", "split": str(table)})
    assert (again.parts, again.n_new) == (one.parts, 0)


def test_subjects_of_the_data_that_are_here_are_added(update, tmp_path):
    write_promis(tmp_path / "data" / "promis")
    table = tmp_path / "promis.tsv"
    write_split(table, {"promis-p7": "test"})
    (one,) = update({"name": "P", "reader": "promis", "split": str(table), "reference": True})
    assert list(one.parts) == ["promis-p7", "promis-p10", "promis-p8"]
    assert one.parts["promis-p7"] == "test"
    write_chaos(tmp_path / "data" / "chaos")
    (two,) = update({"name": "MR", "reader": "chaos", "split": str(tmp_path / "c.tsv")})
    assert len(two.parts) == 20


def test_unknown_subjects_and_no_table_at_all_are_errors_that_say_what_to_do(update, tmp_path):
    with pytest.raises(
        ConfigError, match="'P': its subjects are not known before its data are here: 'promis'"
    ):
        update({"name": "P", "reader": "promis", "split": str(tmp_path / "p.tsv")})
    with pytest.raises(ConfigError, match="no data set names a table: set `split`"):
        update({"name": "MR", "reader": "chaos"})
