"""A change runs again what depends on it, and nothing else: counted in dry runs after a finished run."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any

import pytest
from tiny_benchmark import SETTINGS, Benchmark, edited, row, write_image, write_table

DRAWN = {"extremes": 1, "figure": 6, "rulegraph": 1, "report": 1}
SUMMARY = {"costs": 1, **DRAWN}
SEARCH_AND_BELOW = {
    **{"search": 2, "marginalize": 2, "fit": 2, "evaluate": 2, "gather": 1, "tables": 1, "gallery": 1},
    **SUMMARY,
}
FIT_AND_BELOW = {key: n for key, n in SEARCH_AND_BELOW.items() if key not in ("search", "marginalize")}


def changed(section: str, **keys: Any) -> dict[str, Any]:
    """A section of the settings with some keys changed."""
    return {section: {**SETTINGS[section], **keys}}


def test_another_sigma_searches_again_and_embeds_nothing(finished: Benchmark) -> None:
    change = changed("search", auxiliary={"sigma": 0.05})
    planned = finished.planned(**change)
    assert planned.jobs == SEARCH_AND_BELOW
    reason = planned.reasons["Searching corresponding prompts (promptreg) in pairs 000 of tiny"]
    assert "Params have changed" in reason


def test_more_views_add_a_store_and_keep_the_old_ones(finished: Benchmark) -> None:
    change = changed("embed", views={"count": 3, "block": 1, "turns": 3})
    planned = finished.planned(**change)
    assert planned.jobs == {
        **{"embed": 1, "search": 1, "marginalize": 1, "fit": 1, "evaluate": 1},
        **{"gather": 1, "tables": 1, "gallery": 1},
        **SUMMARY,
    }
    embedded = [message for message in planned.reasons if message.startswith("Embedding")]
    assert embedded == ["Embedding random-2 views of images 000 of tiny with blend"]


def test_a_stiffer_fit_searches_nothing(finished: Benchmark) -> None:
    planned = finished.planned(**changed("fit", weight=0.5)).jobs
    assert planned == FIT_AND_BELOW


def test_another_palette_draws_again_and_computes_nothing(finished: Benchmark) -> None:
    planned = finished.planned(**changed("figures", palette="muted")).jobs
    assert planned == {"gallery": 1, **DRAWN}


def test_another_method_runs_alone(finished: Benchmark) -> None:
    methods = [*SETTINGS["methods"], "promptreg_image"]
    planned = finished.planned(methods=methods).jobs
    assert {key: planned.get(key, 0) for key in ("register", "embed", "search", "marginalize")} == {
        **{"register": 0, "embed": 0, "search": 0, "marginalize": 0}
    }
    assert (planned["fit"], planned["evaluate"]) == (1, 1)


def test_a_grid_over_stored_prompts_and_views_marginalizes_and_fits_and_searches_nothing(
    finished: Benchmark,
) -> None:
    grid = {
        "one_prompt": {"marginalize": {"prompts": 1}},
        "two_prompts": {"marginalize": {"prompts": 2}},
        "one_view": {"marginalize": {"views": 1}},
    }
    planned = finished.planned(
        methods=[*SETTINGS["methods"], *grid],
        variants=grid,
        ablations={"grid": {"title": "Prompts and views", "rows": dict.fromkeys(grid, "")}},
    ).jobs
    assert planned == {
        **{"marginalize": 3, "fit": 3, "evaluate": 3, "gather": 1, "tables": 1, "gallery": 1},
        **{"analysis": 1, "analysis_figure": 1},
        **SUMMARY,
    }


def test_a_method_that_is_taken_away_is_only_left_out(finished: Benchmark) -> None:
    planned = finished.planned(methods=[one for one in SETTINGS["methods"] if one != "same_coordinate"]).jobs
    assert planned == {"gather": 1, "tables": 1, "gallery": 1, **SUMMARY}


def test_a_changed_function_of_the_fit_runs_the_fit_again_and_what_follows(finished: Benchmark) -> None:
    with edited(finished.checkout / "promptreg/fit_levels.py", "return ", "return 1 and "):
        planned = finished.planned()
    assert planned.jobs == {
        **{"fit": 2, "evaluate": 2, "gather": 1, "costs": 1, "tables": 1},
        **{"gallery": 1, "extremes": 1, "figure": 5, "report": 1},
    }
    assert "Params have changed" in planned.reasons["Fitting fields (promptreg) to pairs 000 of tiny"]


def test_a_changed_function_of_a_figure_draws_again_and_computes_nothing(finished: Benchmark) -> None:
    with edited(finished.checkout / "promptreg/figures/ranks.py", "return ", "return 1 and "):
        planned = finished.planned().jobs
    assert planned == {"figure": 6, "rulegraph": 1, "report": 1}


def test_a_changed_comment_docstring_or_line_break_runs_nothing(finished: Benchmark) -> None:
    code = finished.checkout / "promptreg"
    with (
        edited(code / "store.py", '"""The one writer', '"""The only writer'),
        edited(code / "search.py", "from __future__", "# a comment\nfrom __future__"),
        edited(code / "stages/fit.py", "\n\n\ndef run(", "\n\n\n\ndef run("),
        edited(finished.checkout / "rules/fit.smk", "rule fit:", "# a comment\nrule fit:"),
    ):
        assert finished.planned().jobs == {}
    assert finished.planned().jobs == {}


@pytest.fixture
def one_pair_more(finished: Benchmark) -> Iterator[Benchmark]:
    """The finished benchmark while its manifest has a fourth pair, of a new image."""
    before = finished.manifest.read_bytes()
    write_image(finished.folder, "up.png", shift=(-4, -4))
    with finished.manifest.open() as stream:
        rows = list(csv.DictReader(stream))
    write_table(finished.manifest, [*rows, row("up", "up.png", "centre.png")])
    yield finished
    finished.manifest.write_bytes(before)


def test_an_appended_pair_runs_its_own_shard_alone(one_pair_more: Benchmark) -> None:
    planned = one_pair_more.planned()
    assert planned.jobs == {
        **{"images": 1, "pairs": 1, "embed": 3, "register": 1, "search": 2, "marginalize": 2, "fit": 2},
        **{
            "evaluate": 4,
            "gather": 1,
            "listing": 1,
            "costs": 1,
            "tables": 1,
            "extremes": 1,
            "figure": 5,
            "report": 1,
        },
    }
    shards = [message for message in planned.reasons if " of tiny" in message]
    assert len(shards) == 16
    assert not [message for message in shards if " 000 " in message]


def test_an_image_that_was_written_again_is_read_again(finished: Benchmark) -> None:
    image = finished.folder / "centre.png"
    times = image.stat().st_atime_ns, image.stat().st_mtime_ns
    image.touch()
    try:
        planned = finished.planned().jobs
    finally:
        os.utime(image, ns=times)
    assert planned["images"] == 1
    assert planned["embed"] == 3
    assert finished.planned().jobs == {}
