import pytest

from promptreg import disclosure
from promptreg.config import Config
from promptreg.disclosure import has_seen, licences_of, seen_in_training, supervision_of
from promptreg.entry import Entry


def test_supervision_comes_from_the_registry_and_the_prompts():
    config = Config.model_validate(
        {
            "datasets": [{"name": "demo", "reader": "demo"}],
            "methods": ["identity", "promptreg", "seeded", "adapted"],
            "variants": {
                "promptreg": {},
                "seeded": {"embed": {"model": "sam_vit_b"}, "search": {"prompts": {"where": "inside"}}},
                "adapted": {"embed": {"model": "sam_adapter3d"}},
            },
            "train": {"test_share": 0.25},
        }
    )
    assert supervision_of(config) == {
        "identity": "training-free",
        "promptreg": "synthetic images",
        "seeded": "pretrained elsewhere, label-seeded prompts",
        "adapted": "label-supervised, trained on the target data (75 %)",
    }


@pytest.mark.parametrize("source", ["FLARE22", "flare 22", "Flare-22"])
def test_a_source_is_known_however_it_is_spelt(source):
    assert has_seen(Entry("m", "m:M", "", seen=("CHAOS", "FLARE22")), source)


@pytest.mark.parametrize("source", ["FLARE21", "", "-", "FLARE"])
def test_another_source_and_none_are_not_seen(source):
    assert not has_seen(Entry("m", "m:M", "", seen=("FLARE22", "")), source)


def test_methods_are_listed_with_the_groups_that_they_have_seen(monkeypatch):
    model = Entry("tested", "m:M", "", seen=("CHAOS",))
    monkeypatch.setitem(disclosure.MODELS, "tested", model)
    config = Config.model_validate(
        {"methods": ["identity", "a", "b"], "variants": {"a": {"embed": {"model": "tested"}}, "b": {}}}
    )
    sources = {("d", "MR"): ["CHAOS", "other"], ("d", "CT"): ["other"]}
    assert seen_in_training(config, sources) == [("a", "d", "MR")]
    assert seen_in_training(config, {}) == []


def test_the_licence_of_a_method_names_that_of_its_weights():
    config = Config.model_validate({"methods": ["niftyreg", "promptreg_sam_vit_b"]})
    said = licences_of(config)
    assert said["niftyreg"] == "niftyreg: BSD-3-Clause"
    assert said["promptreg_sam_vit_b"] == "sam_vit_b: Apache-2.0; weights sam_vit_b: Apache-2.0"
