import pytest

from promptreg.config import Config
from promptreg.settings import ConfigError, load, load_file, variant

MINE = {"methods": ["mine"]}


def refusal(raw):
    with pytest.raises(ConfigError) as error:
        load(raw)
    return str(error.value)


def test_nothing_means_the_defaults():
    assert load({}) == Config()


def test_a_section_replaces_only_what_it_names():
    config = load({"search": {"auxiliary": {"sigma": 0.05}}, "seed": 7})
    assert config.search.auxiliary.sigma == 0.05
    assert config.search.auxiliary.epsilon == Config().search.auxiliary.epsilon
    assert config.embed == Config().embed
    assert config.seed == 7


@pytest.mark.parametrize(
    ("raw", "key", "close"),
    [
        ({"serch": {}}, "serch", "search"),
        ({"sigmma": 0.1}, "sigmma", "sigma"),
        ({"search": {"auxiliary": {"sigm": 0.1}}}, "search.auxiliary.sigm", "sigma"),
        ({"embed": {"views": {"cuont": 2}}}, "embed.views.cuont", "count"),
        ({"datasets": [{"name": "a", "misalign": {"rotation": 3}}]}, "misalign.rotation", "rotation_deg"),
        ({"datasets": [{"name": "a", "pth": "x"}]}, "datasets.0.pth", "path"),
        ({"variants": {"promptreg": {"serch": {}}}}, "variants.promptreg.serch", "search"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_close_names(raw, key, close):
    text = refusal(raw)
    assert key in text
    assert "unknown key" in text
    assert f"did you mean {close}" in text
    assert "config/README.md" in text


@pytest.mark.parametrize(
    ("raw", "key", "found"),
    [
        ({"fit": {"levels": 0}}, "fit.levels", "0"),
        ({"fit": {"loss": "mse"}}, "fit.loss", "'mse'"),
        ({"embed": {"views": {"count": "many"}}}, "embed.views.count", "'many'"),
        ({"search": {"prompts": {"min_distance": 2}}}, "search.prompts.min_distance", "2"),
        ({"embed": 3}, "embed", "3"),
        ({"methods": []}, "methods", "[]"),
        ({"datasets": [{"name": "a b"}]}, "datasets.0.name", "'a b'"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_found(raw, key, found):
    text = refusal(raw)
    assert text.startswith(key + ":")
    assert text.endswith(f"found {found}")


def test_a_missing_key_is_named():
    assert refusal({"datasets": [{}]}).startswith("datasets.0.name: missing")


def test_every_mistake_gets_its_own_line():
    lines = refusal({"fit": {"levels": 0}, "seed": -1, "serch": 1}).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["fit.levels", "seed", "serch"]


def test_short_names_at_the_top_level_are_moved_to_where_they_belong():
    config = load({"sigma": 0.05, "n_starts": 5, "fit": {"levels": 2}, "parametrization": "ffd"})
    assert config.search.auxiliary.sigma == 0.05
    assert config.search.n_starts == 5
    assert (config.fit.levels, config.fit.parametrization) == (2, "ffd")


def test_a_short_name_does_not_change_what_it_was_given():
    raw = {"sigma": 0.05, "search": {"auxiliary": {"enabled": True}}}
    load(raw)
    assert raw == {"sigma": 0.05, "search": {"auxiliary": {"enabled": True}}}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("device", ["embed.device", "fit.device"]),
        ("count", ["embed.views.count", "search.prompts.count"]),
        ("start", ["search.start", "fit.start"]),
        ("iterations", ["search.newton.iterations", "fit.iterations"]),
    ],
)
def test_an_ambiguous_short_name_is_refused_with_all_its_places(name, places):
    text = refusal({name: 3})
    assert text.startswith(f"{name}: ambiguous at the top level")
    assert all(place in text for place in places)


def test_a_wrong_value_under_a_short_name_is_named_by_its_full_place():
    assert refusal({"sigma": -1}).startswith("search.auxiliary.sigma:")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"methods": ["identiy"]}, "methods: unknown method 'identiy'; did you mean identity"),
        ({"embed": {"model": "sam_vit"}}, "unknown model 'sam_vit': did you mean sam_vit_"),
        (
            {"datasets": [{"name": "a", "reader": "manifst"}]},
            "unknown dataset 'manifst': did you mean manifest",
        ),
        ({"variants": {"identity": {}}}, "variants.identity: the name belongs to a registered method"),
        ({"datasets": [{"name": "a"}, {"name": "a"}]}, "datasets: the name 'a' is given twice"),
        (
            {**MINE, "variants": {"mine": {"search": {"startt": "same"}}}},
            "variants.mine.search.startt: unknown key; did you mean start",
        ),
        ({**MINE, "variants": {"mine": {"fit": {"levels": 0}}}}, "variants.mine.fit.levels:"),
        ({**MINE, "variants": {"mine": {"embed": {"model": "toy"}}}}, "unknown model 'toy'"),
    ],
)
def test_a_wrong_name_is_refused_with_close_ones(raw, words):
    assert words in refusal(raw)


HOSTILE = [
    *("..", ".", "../x", "a/b", "/etc", ".hidden", "-rf", "", "a b", "a;b", "$(touch x)", "`touch x`", "a|b"),
    *("it's", 'a"b', "a\nb", "a\x1bb", "{dataset}", "{", "a*", "é", "a%2fb", "\u202ea", "x" * 129),
]
"""What no name of a variant, data set or ablation can be."""


@pytest.mark.parametrize("name", HOSTILE)
def test_what_escapes_a_folder_or_means_something_to_a_shell_is_no_name(name):
    assert "variants" in refusal({"variants": {name: {}}, "methods": ["identity"]})
    assert "datasets" in refusal({"datasets": [{"name": name}]})
    ablation = {"rows": ["identity"], "title": "t", "factors": {}}
    assert "ablations" in refusal({"methods": ["identity"], "ablations": {name: ablation}})


@pytest.mark.parametrize("folder", ["{dataset}", "out/{", "out}", "-rf", "--help", "a\nb", "a\rb", "a\x00b"])
def test_a_folder_of_results_that_snakemake_or_a_program_would_misread_is_refused(folder):
    assert "results_dir" in refusal({"results_dir": folder})


@pytest.mark.parametrize(
    "folder", ["a b", "it's", 'a"b', "a;b", "$(touch x)", "`x`", "ünï", "100%", "../a", "~"]
)
def test_a_folder_of_results_may_be_called_anything_else(folder):
    assert load({"results_dir": folder}).results_dir == folder


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"manifest": "a\nb.csv"}, "manifest"),
        ({"data_dir": "a\x1b[2J"}, "data_dir"),
        ({"datasets": [{"name": "a", "application": "x\u2028y"}]}, "datasets.0.application"),
        ({"datasets": [{"name": "a", "path": "\ud800"}]}, "datasets.0.path"),
        ({"datasets": [{"name": "a", "groups": ["b", "c\n"]}]}, "datasets.0.groups.1"),
    ],
)
def test_a_text_with_a_control_character_is_refused_by_its_place(raw, key):
    text = refusal(raw)
    assert text.startswith(f"{key}: ")
    assert text.isprintable()


def test_a_variant_is_the_sections_with_its_changes_applied_deep_down():
    raw = {
        "search": {"auxiliary": {"epsilon": 0.02}},
        "methods": ["mine"],
        "variants": {"mine": {"search": {"auxiliary": {"sigma": 0.3}}, "embed": {"views": {"count": 2}}}},
    }
    config = load(raw)
    mine = variant(config, "mine")
    assert (mine.search.auxiliary.sigma, mine.search.auxiliary.epsilon) == (0.3, 0.02)
    assert mine.embed.views.count == 2
    assert mine.embed.views.kind == config.embed.views.kind
    assert (mine.fit, mine.marginalize) == (config.fit, config.marginalize)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"prompts": 9},
            r"variants\.mine\.marginalize\.prompts: 9 asked for, search\.prompts\.count is 8",
        ),
        ({"views": 6}, r"variants\.mine\.marginalize\.views: 6 asked for, embed\.views\.count is 5"),
    ],
)
def test_a_variant_cannot_use_more_than_it_searches(change, words):
    with pytest.raises(ConfigError, match=words):
        load({"methods": ["mine"], "variants": {"mine": {"marginalize": change}}})


def test_a_common_limit_on_views_does_not_forbid_a_variant_with_fewer():
    one = {"embed": {"views": {"count": 1}}}
    config = load({"methods": ["one"], "marginalize": {"views": 3}, "variants": {"one": one}})
    assert variant(config, "one").marginalize.views == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"both_ways": True, "misalign": {}},
            "'d' has both_ways and misalign; give each a data set of its own",
        ),
        ({}, "analyses: consistency needs a data set with both_ways: true"),
    ],
)
def test_registering_both_ways_goes_with_consistency_and_not_with_misalignment(changes, words):
    with pytest.raises(ConfigError, match=words):
        load({"analyses": ["consistency"], "datasets": [{"name": "d", "reader": "demo", **changes}]})


def test_a_file_is_read_like_a_mapping(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("sigma: 0.05\nfit: {levels: 2}\n")
    assert load_file(path) == load({"sigma": 0.05, "fit": {"levels": 2}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "expected keys and values, found list"),
        ("", "expected keys and values, found NoneType"),
        ("a: [1\n", "line 2"),
        ("fit: {levels: none}\n", "fit.levels"),
    ],
)
def test_a_file_that_is_no_configuration_is_an_error(tmp_path, text, words):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_file(path)


def test_an_absent_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_file(tmp_path / "nowhere.yaml")


def test_accepted_licences_are_those_of_known_weights():
    assert load({"accept_licences": ["sam_vit_b", "all"]}).accept_licences == ("sam_vit_b", "all")
    with pytest.raises(ConfigError, match="unknown weights or data 'sam_vit_x'; did you mean sam_vit_"):
        load({"accept_licences": ["sam_vit_x"]})
