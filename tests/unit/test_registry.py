import pytest

from promptreg.registry import TABLES, find

ENTRIES = [(kind, entry) for kind, table in TABLES.items() for entry in table.values()]
SUPERVISIONS = {
    "training-free",
    "synthetic images",
    "unsupervised",
    "label-supervised",
    "pretrained elsewhere",
}


@pytest.mark.parametrize(("kind", "entry"), ENTRIES, ids=[entry.name for _, entry in ENTRIES])
def test_every_entry_can_be_found_loaded_and_says_what_users_must_know(kind, entry):
    assert find(kind, entry.name) is entry
    assert isinstance(entry.load(), type)
    assert entry.summary
    assert entry.licence
    assert entry.supervision in SUPERVISIONS
    assert set(entry.dims) <= {2, 3}
    untrained = entry.trained_on in ("nothing", "synthetic images alone")
    assert untrained == (entry.checkpoint is None and not entry.learned)


def test_names_are_unique_among_all_kinds_of_methods():
    assert not set(TABLES["method"]) & set(TABLES["model"])


@pytest.mark.parametrize(
    ("kind", "name", "close"),
    [("model", "weightfre", "weightfree"), ("method", "niftreg", "niftyreg"), ("dataset", "dmo", "demo")],
)
def test_an_unknown_name_is_an_error_with_close_names_and_all_known_ones(kind, name, close):
    with pytest.raises(ValueError, match=f"unknown {kind} '{name}': did you mean {close}") as error:
        find(kind, name)
    assert all(known in str(error.value) for known in TABLES[kind])
    assert f"promptreg list {kind}s" in str(error.value)


def test_a_name_like_no_other_gets_no_false_hint():
    with pytest.raises(ValueError, match="unknown model 'zzz': known models are"):
        find("model", "zzz")
