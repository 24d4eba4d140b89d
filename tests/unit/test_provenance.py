import importlib.metadata
import time

import pytest

from promptreg import provenance
from promptreg.provenance import (
    PLANNED_VARIABLE,
    Signature,
    check_unchanged,
    code_digest,
    fingerprint,
    versions,
)

MODULE = '''
"""What it does."""

SIGMA = 0.1
"""A width."""


def area(sides):  # in pixels
    """Multiply two sides."""
    return sides[0] * sides[1] * SIGMA
'''

REFORMATTED = '''
r"""Something else,

at more length."""
# one more comment
SIGMA   =  (0.1)
"""Another text."""
def area( sides ):
    "Say it differently."
    return (sides[0]
        * sides[1] * SIGMA)
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A tiny package in the place of this one: `write(name, text)` changes a module."""
    root = tmp_path / "promptreg"
    monkeypatch.setattr(provenance, "_ROOT", root)

    def forget():
        for cached in (code_digest, provenance._source, provenance._imports, provenance._module_digest):
            cached.cache_clear()

    def write(name, text):
        file = root / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        forget()

    write("area", MODULE)
    yield write
    forget()


def test_comments_docstrings_and_formatting_change_nothing(package):
    before = code_digest("promptreg.area")
    package("area", REFORMATTED)
    assert code_digest("promptreg.area") == before


@pytest.mark.parametrize(
    ("old", "new"), [("0.1", "0.2"), ("sides[1]", "sides[2]"), ("* SIGMA", "/ SIGMA"), ("area(", "surface(")]
)
def test_a_changed_constant_operator_or_name_changes_the_digest(package, old, new):
    before = code_digest("promptreg.area")
    package("area", MODULE.replace(old, new))
    assert code_digest("promptreg.area") != before


def test_a_dropped_docstring_changes_nothing(package):
    package("area", 'class Area:\n    """Text."""\n    side = 1\n')
    before = code_digest("promptreg.area")
    package("area", "class Area:\n    side = 1\n")
    assert code_digest("promptreg.area") == before


@pytest.mark.parametrize(
    "statement",
    [
        "import promptreg.deep.inner",
        "from promptreg.deep import inner",
        "from promptreg.deep.inner import depth",
        "def late():\n    from promptreg.deep.inner import depth",
    ],
)
def test_what_a_module_imports_from_this_package_counts_however_it_is_imported(package, statement):
    package("deep/__init__", "")
    package("deep/inner", "depth = 1\n")
    package("area", f"{statement}\n")
    before = code_digest("promptreg.area")
    package("deep/inner", "depth = 2\n")
    assert code_digest("promptreg.area") != before


def test_what_a_module_does_not_import_and_the_configuration_do_not_count(package):
    package("config", "limit = 1\n")
    package("other", "limit = 1\n")
    package("area", "from promptreg.config import limit\nimport numpy\n")
    before = code_digest("promptreg.area")
    package("config", "limit = 2\n")
    package("other", "limit = 2\n")
    assert code_digest("promptreg.area") == before


@pytest.mark.parametrize(
    "statement",
    [
        "from promptreg.config import limit",
        "from promptreg.config.deep import limit",
        "import promptreg.config.deep",
    ],
)
def test_no_part_of_the_configuration_counts_however_it_is_imported(package, statement):
    package("config/__init__", "from promptreg.config.deep import limit\n")
    package("config/deep", "limit = 1\n")
    package("area", f"{statement}\n")
    before = code_digest("promptreg.area")
    package("config/deep", "limit = 2\n")
    assert code_digest("promptreg.area") == before


def test_modules_that_import_each_other_have_a_digest(package):
    package("other", "from promptreg import area\n")
    package("area", "import promptreg.other\n")
    assert code_digest("promptreg.area") == code_digest("promptreg.other")


def test_an_unknown_module_is_an_error_that_names_it(package):
    with pytest.raises(ValueError, match=r"promptreg\.nothing not found"):
        code_digest("promptreg.nothing")


def test_the_order_of_modules_does_not_matter(package):
    package("other", "limit = 1\n")
    assert code_digest("promptreg.area", "promptreg.other") == code_digest(
        "promptreg.other", "promptreg.area"
    )


def test_a_fingerprint_is_independent_of_key_order_and_of_nothing_else():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint(1) != fingerprint("1")


def test_every_part_of_a_signature_counts():
    base = ("ddf", {"weight": 1}, {"pairs": "abc"}, "c0de")
    others = [
        ("rois", *base[1:]),
        ("ddf", {"weight": 2}, *base[2:]),
        (*base[:2], {}, "c0de"),
        (*base[:3], ""),
    ]
    digests = {Signature(*parts).digest for parts in (base, *others)}
    assert len(digests) == 5
    assert Signature(*base).digest == Signature(*base).digest


def test_versions_are_those_that_are_installed():
    found = versions()
    assert found["torch"] == importlib.metadata.version("torch")
    assert {"promptreg", "numpy", "zarr"} <= set(found)


def test_code_that_changed_after_the_planning_is_refused_and_a_changed_comment_is_not(package, monkeypatch):
    planned = code_digest("promptreg.area")
    monkeypatch.setenv(PLANNED_VARIABLE, str(time.time() - 10))
    package("area", REFORMATTED)
    check_unchanged(["promptreg.area"], planned)
    package("area", MODULE.replace("0.1", "0.2"))
    with pytest.raises(
        RuntimeError, match=r"the code of promptreg\.area has changed since this run was planned"
    ):
        check_unchanged(["promptreg.area"], planned)
    package("area", MODULE)
    check_unchanged(["promptreg.area"], planned)


def test_code_that_was_written_before_is_not_compared(package, monkeypatch):
    monkeypatch.setenv(PLANNED_VARIABLE, str(time.time() + 10))
    check_unchanged(["promptreg.area"], "another digest")
    monkeypatch.delenv(PLANNED_VARIABLE)
    check_unchanged(["promptreg.area"], "another digest")
