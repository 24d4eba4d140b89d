import re

from promptreg import registry
from promptreg.baselines_page import LEFT_OUT, baselines_page
from promptreg.entry import Entry

ENTRY = Entry(
    "deeds",
    "m:M",
    "a | method",
    dims=(3,),
    licence="MIT",
    citation="Me, 2020",
    supervision="pretrained elsewhere",
    checkpoint="tiny",
    trained_on="scans",
    caveats="slow",
    seen=("CHAOS",),
    environment="tool",
    settings="its defaults",
)


def test_a_method_has_a_row_with_all_that_is_registered():
    text = baselines_page({"deeds": ENTRY})
    row = r"| `deeds` | a \| method | 3D | pretrained elsewhere | its defaults | `tool` | MIT | `tiny` |"
    assert row in text.splitlines()


def test_training_caveats_and_source_stand_beneath():
    note = "- `deeds`: Trained on scans. Seen in training: CHAOS. Slow. Me, 2020."
    assert note in baselines_page({"deeds": ENTRY}).splitlines()


def test_a_method_of_the_package_without_anything_to_say_has_a_row_and_no_note():
    text = baselines_page({"free": Entry("free", "m:M", "s")})
    assert "| `free` | s | 2D, 3D | training-free | – | package | Apache-2.0 | none |" in text
    assert "- `free`" not in text


def test_what_is_registered_is_no_longer_listed_as_left_out():
    assert f"- deeds: {LEFT_OUT['deeds']}." in baselines_page({})
    assert "- deeds:" not in baselines_page({"deeds_affine": ENTRY})


def test_the_page_of_the_project_names_every_method_and_says_where_its_settings_are_from():
    text = baselines_page(registry.BASELINES)
    for name in registry.BASELINES:
        assert f"| `{name}` |" in text
    assert not re.search(r"[{}]{2}", text)
