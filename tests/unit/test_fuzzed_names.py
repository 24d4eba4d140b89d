"""Any text as a name, in a manifest or a configuration: refused, or used as it is and below the results."""

from __future__ import annotations

import csv
import json
import os
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snakemake.io import get_wildcard_names
from snakemake.utils import format as snakemake_format

from promptreg.jobs import all_jobs
from promptreg.naming import control_character
from promptreg.plan import Plan
from promptreg.settings import ConfigError

HOSTILE = (
    *("..", "../", "/", "-", "--", "~", ".", "{", "}", "{dataset}", "{{", "%s", "%", "\\", "|", "*", "?"),
    *(
        "$(touch x)",
        "`touch x`",
        ";",
        "&",
        "'",
        '"',
        " ",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x1b[2J",
        "\u2028",
        "#",
        "!",
    ),
    *("é", "心", "\u202e", "\ud800", "a", "Z", "0", "_", "x" * 300, "<script>", "[", "]", "=", "@"),
)
TEXTS = st.one_of(
    st.text(max_size=12), st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map("".join)
)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PAIR = {"pair_id": "p", "moving": "a.png", "fixed": "b.png", "dimension": "2"}
COLUMNS = (*PAIR, "application", "moving_labels", "label_names", "moving_subject", "source")


def planned(folder: Path, cells: dict[str, str] | None = None, **config: object) -> Plan:
    """The plan for a manifest of one pair, some cells of which are replaced."""
    row = dict.fromkeys(COLUMNS, "") | PAIR | (cells or {})
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    manifest = {"manifest": str(folder / "pairs.csv"), "datasets": [{"name": "d"}]}
    plan = Plan({**manifest, "methods": ["identity"], **config})
    plan.check()
    return plan


def unless_refused(
    folder: Path, cells: dict[str, str] | None = None, *, word: str, **config: object
) -> Plan | None:
    """The plan, or None where there is an error, which must say `word` in letters that can be printed."""
    found: Plan | str
    try:
        found = planned(folder, cells, **config)
    except ConfigError as error:
        found = str(error)
    if isinstance(found, Plan):
        return found
    assert word in found
    assert control_character(found.replace("\n", "")) is None
    return None


def check_paths(plan: Plan) -> None:
    """Whatever is made lies below the results, and Snakemake finds no wildcard in it."""
    made = [f"{plan.root}/{one.made('png')}" for one in all_jobs(plan)] + plan.targets()
    for path in made:
        below = os.path.relpath(os.path.normpath(path), os.path.normpath(plan.root))
        assert not below.startswith("..")
        assert below == path.removeprefix(f"{plan.root}/")
        assert get_wildcard_names(path) == set()
        assert not path.startswith("-")
        assert control_character(path) is None


def check_quoted(job: str) -> None:
    """What Snakemake writes into a command is one word to the shell, and the same text."""
    command = snakemake_format("stage --job {job:q}", job=job)
    assert shlex.split(command) == ["stage", "--job", job]
    assert json.loads(job)


@FUZZ
@given(text=TEXTS, column=st.sampled_from(COLUMNS))
def test_any_text_in_a_manifest(tmp_path: Path, text: str, column: str) -> None:
    plan = unless_refused(tmp_path, {column: text}, word="pairs.csv")
    if plan is None:
        return
    check_paths(plan)
    check_quoted(plan.pairs_job("d", "000"))
    check_quoted(plan.images_job("d", "000"))
    pair = json.loads(plan.pairs_job("d", "000"))["pairs"][0]
    if column == "pair_id":
        assert pair["pair"] == text.strip()
    if column == "application":
        assert pair["group"] == (text.strip() or "pairs")


@FUZZ
@given(text=TEXTS, key=st.sampled_from(("datasets", "variants", "results_dir", "application", "data_dir")))
def test_any_text_in_a_configuration(tmp_path: Path, text: str, key: str) -> None:
    changes: dict[str, object] = {
        "datasets": {"datasets": [{"name": text}]},
        "application": {"datasets": [{"name": "d", "application": text}]},
        "variants": {"variants": {text: {}}, "methods": ["identity", text]},
    }.get(key, {key: text})
    plan = unless_refused(tmp_path, word=key, **changes)
    if plan is None:
        return
    check_paths(plan)
    dataset = next(iter(plan.datasets))
    check_quoted(plan.pairs_job(dataset, "000"))
    check_quoted(plan.summary_job("report"))


@pytest.mark.parametrize("root", ["results/{dataset}", "-rf", "a\x1b"])
def test_the_check_of_paths_can_fail(tmp_path: Path, root: str) -> None:
    plan = planned(tmp_path)
    plan.root = root
    with pytest.raises(AssertionError):
        check_paths(plan)
