import pytest
from tiny_checkpoints import publish, row

from promptreg import licences
from promptreg.checkpoint_table import find


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights under a licence that must be accepted."""
    publish(
        tmp_path, monkeypatch, row(accept="noncommercial", licence="CC BY-NC 4.0"), row(name="b", file="b.pt")
    )
    return find("tiny")


def test_weights_that_ask_for_nothing_need_no_consent(weights):
    assert licences.accepted(find("b"))
    assert not licences.accepted(weights)


@pytest.mark.parametrize(
    ("names", "agreed"), [(["tiny"], True), (["all"], True), (["b"], False), ([], False)]
)
def test_consent_is_given_by_name_or_to_all(weights, monkeypatch, names, agreed):
    assert licences.accepted(weights, names) is agreed
    with licences.accepting(names):
        assert licences.accepted(weights) is agreed
    assert not licences.accepted(weights)
    monkeypatch.setenv(licences.ACCEPT_VARIABLE, ", ".join([*names, "x"]))
    assert licences.accepted(weights) is agreed


def test_recorded_consent_counts_for_that_licence_alone(weights, tmp_path, monkeypatch):
    licences.record(weights)
    assert licences.accepted(weights)
    publish(tmp_path, monkeypatch, row(accept="noncommercial", licence="CC BY-NC-SA 4.0"))
    assert not licences.accepted(find("tiny"))


def test_a_damaged_record_is_named(weights, tmp_path):
    (tmp_path / "cache" / "accepted_licences.json").write_text("{")
    with pytest.raises(ValueError, match=r"accepted_licences\.json is damaged"):
        licences.accepted(weights)


def test_a_refusal_states_the_licence_and_three_ways_to_accept_it(weights):
    text = licences.refusal(weights)
    assert "CC BY-NC 4.0 (noncommercial)" in text
    assert "promptreg weights fetch tiny --accept-licence" in text
    assert "PROMPTREG_ACCEPT_LICENCES=tiny" in text
    assert "`accept_licences: [tiny]`" in text


def test_processes_to_be_started_are_told_of_all_consent(weights, monkeypatch):
    assert licences.with_variable([]) == ""
    monkeypatch.setenv(licences.ACCEPT_VARIABLE, "b")
    assert licences.with_variable(["tiny", "b"]) == "b,tiny"
