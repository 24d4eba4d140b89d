"""Names that mean something to a shell, to Snakemake, to HTML or to a figure: used as they are, never run."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from tiny_benchmark import SETTINGS, Benchmark, row, write_image

TRAP = "pwned"
PLACE = f'it\'s "a"; $(touch {TRAP}) `touch {TRAP}` & ünï 心 100% [ab] #~'
"""The folder of everything: manifest, images, results."""
IMAGES = {
    "centre.png": f"-rf $(touch {TRAP}) 'quoted' \"twice\".png",
    "low.npy": f"{{dataset}} {{0}} {{input}}; touch {TRAP};.npy",
    "right.png": f"%s %(a)s \\n `touch {TRAP}` é 心臓 {'long' * 40}.png",
}
"""Files by the names that they have in the tiny benchmark."""
SHIFTS = {"centre.png": (0, 0), "low.npy": (5, -3), "right.png": (-2, 6)}
LOST = "<img src=x onerror=alert(1)> $\\frac{.png"
SCRIPT = "<script>alert('1')</script>"
GROUPS = (f"{SCRIPT} $(touch {TRAP})", "$\\frac{ a|b **c** _d_", "'=1+1 {wildcards}")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Benchmark:
    """The tiny benchmark under hostile names, and a pair without an image; all files are the user's alone."""
    folder = tmp_path_factory.mktemp("hostile") / PLACE
    folder.mkdir()
    for plain, odd in IMAGES.items():
        write_image(folder, odd, shift=SHIFTS[plain])
    centre, low, right = IMAGES.values()
    pairs = [
        row("down", centre, low, application=GROUPS[0]),
        row("left", right, centre, application=GROUPS[1], label_names=f"1 {SCRIPT}"),
        row("across", low, right, application=GROUPS[2]),
        row("lost", LOST, low, application=GROUPS[0], moving_labels="", moving_landmarks=""),
    ]
    benchmark = Benchmark(folder, pairs, SETTINGS | {"methods": ["identity"]}, checkout)
    before = os.umask(0o077)
    try:
        benchmark.complete()
    finally:
        os.umask(before)
    return benchmark


def test_images_of_hostile_names_are_measured_as_those_of_plain_ones(
    hostile: Benchmark, finished: Benchmark
) -> None:
    keys = ["method", "pair", "label", "metric"]
    found, wanted = (
        pd.read_parquet(one.results / "metrics.parquet").set_index(keys) for one in (hostile, finished)
    )
    for pair in ("down", "left", "across"):
        values, plain = (
            frame.loc[("identity", pair), "value"].droplevel("label") for frame in (found, wanted)
        )
        assert len(values)
        pd.testing.assert_series_equal(values, plain)
    assert LOST in found.loc[("identity", "lost"), "reason"].iloc[0]


def test_nothing_was_run_and_nothing_was_written_elsewhere(hostile: Benchmark) -> None:
    for place in (hostile.folder.parent, hostile.checkout, Path.cwd()):
        assert not [one for one in place.rglob(TRAP) if ".venv" not in one.parts]
    assert [one.name for one in hostile.folder.parent.iterdir()] == [PLACE]
    made = {one.name for one in hostile.folder.iterdir() if not one.is_symlink()}
    given = {name for name in made if name.startswith("settings-")} | {"pairs.csv"}
    images = {
        one for one in made if one.startswith(tuple(name.partition(".")[0] for name in IMAGES.values()))
    }
    assert made - given - images == {"results", ".snakemake"}


def test_the_report_shows_names_and_runs_none(hostile: Benchmark) -> None:
    page = (hostile.results / "report.html").read_text()
    assert "<script" not in page
    assert "<img src=x" not in page
    for text in (*GROUPS, LOST):
        assert text in unescape(page)


def test_tables_have_cells_below_each_title(hostile: Benchmark) -> None:
    for file in (hostile.results / "tables").glob("*.md"):
        for table in file.read_text().split("\n\n"):
            lines = [line for line in table.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1, table


def test_nobody_else_can_read_what_a_private_umask_made(hostile: Benchmark) -> None:
    made = [hostile.results, *hostile.results.rglob("*")]
    assert [one for one in made if stat.S_IMODE(one.stat().st_mode) & 0o077] == []
    records = [hostile.folder / ".snakemake", *(hostile.folder / ".snakemake").rglob("*")]
    assert [one for one in records if not one.is_symlink() and one.stat().st_mode & stat.S_IWOTH] == []


def test_a_finished_run_under_hostile_names_has_nothing_to_do(hostile: Benchmark) -> None:
    assert hostile.planned().jobs == {}


def test_the_status_of_hostile_results_can_be_read(hostile: Benchmark) -> None:
    command = [sys.executable, "-m", "promptreg.cli", "status", str(hostile.results)]
    said = subprocess.run(
        command, env=hostile.environment, cwd=hostile.folder, capture_output=True, text=True, check=True
    ).stdout
    assert LOST in said
