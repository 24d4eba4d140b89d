"""Tiny benchmarks for the workflow's tests: pairs with a known shift, each run in a folder of its own.

Snakemake locks its working directory, so every benchmark has its own, in which `config` and `profiles`
link to the repository's: there the workflow behaves as it does at the repository root. The workflow itself
can be a copy of the repository, so that a test may change its code.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import ndimage
from skimage.io import imsave

from promptreg.jobs import all_jobs
from promptreg.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
SIDE = 56
TIMEOUT_S = 550
COLUMNS = (
    *("pair_id", "moving", "fixed", "application", "moving_labels", "fixed_labels"),
    *("moving_landmarks", "fixed_landmarks", "label_names"),
)
SETTINGS: dict[str, Any] = {
    "datasets": [{"name": "tiny", "reader": "manifest"}],
    "methods": ["identity", "same_coordinate", "promptreg", "promptreg_sam_vit_b"],
    "shard_size": 3,
    "embed": {"views": {"count": 2, "block": 1, "turns": 3}},
    "search": {"prompts": {"count": 3}},
    "fit": {"max_cells": 24, "levels": 1, "iterations": 5},
    "figures": {"gallery": 1},
}


@dataclass(frozen=True)
class Planned:
    """The jobs of a dry run: how many of each rule, and the reason of each by its message."""

    jobs: dict[str, int]
    reasons: dict[str, str]


class Benchmark:
    """One configuration of the workflow with a working directory and results of its own."""

    def __init__(
        self,
        folder: Path,
        pairs: list[dict[str, str]],
        settings: Mapping[str, Any],
        checkout: Path = ROOT,
    ) -> None:
        self.folder = folder
        self.checkout = checkout
        self.results = folder / "results"
        self.settings = dict(settings)
        self.manifest = write_table(folder / "pairs.csv", pairs)
        for name in ("config", "profiles"):
            (folder / name).symlink_to(checkout / name)

    def command(self, *arguments: str, **changes: Any) -> list[str]:
        """The command line of Snakemake under the settings with some `changes`."""
        settings = {"results_dir": str(self.results), "manifest": str(self.manifest), **self.settings}
        file = self.folder / f"settings-{len(list(self.folder.glob('settings-*')))}.yaml"
        file.write_text(yaml.safe_dump(settings | changes))
        return [
            *(
                sys.executable,
                "-m",
                "snakemake",
                "--snakefile",
                str(self.checkout / "Snakefile"),
                "--cores",
                "2",
            ),
            *("--configfile", str(file), "--nocolor", *arguments),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run: its own code, one thread a job, and no weights of any model."""
        own = {"PYTHONPATH": str(self.checkout), "PROMPTREG_CACHE": str(ROOT / "no_weights")}
        return {**os.environ, "OMP_NUM_THREADS": "1", **own}

    def run(self, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; stdout and stderr come together in `stdout`."""
        return subprocess.run(
            self.command(*arguments, **changes),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def complete(self, *arguments: str, **changes: Any) -> str:
        """Run Snakemake and return what it said; an error of it is one of the test."""
        finished = self.run(*arguments, **changes)
        assert finished.returncode == 0, finished.stdout[-6000:]
        return finished.stdout

    def planned(self, **changes: Any) -> Planned:
        """What a dry run announces."""
        said = self.complete("--dry-run", **changes)
        table = re.search(r"^job +count\n[- ]+\n(.*?)^total", said, flags=re.MULTILINE | re.DOTALL)
        if table is None:
            assert "Nothing to be done" in said, said[-3000:]
            return Planned({}, {})
        counts = dict(line.split() for line in table[1].splitlines())
        return Planned(
            {rule: int(count) for rule, count in counts.items() if rule != "all"},
            dict(re.findall(r"^Job \d+: (.*)\nReason: (.*)$", said, flags=re.MULTILINE)),
        )

    def plan(self, **changes: Any) -> Plan:
        """The plan that the workflow makes of the settings with some `changes`."""
        return Plan(
            {"results_dir": str(self.results), "manifest": str(self.manifest), **self.settings, **changes}
        )

    def counted(self, **changes: Any) -> dict[str, int]:
        """The number of jobs of each rule, as the package counts them without Snakemake."""
        return dict(Counter(one.rule for one in all_jobs(self.plan(**changes))))

    def temporary_files(self) -> list[str]:
        """Files and folders that a broken writer would have left among the results."""
        names = (str(one.relative_to(self.results)) for one in self.results.rglob(".*"))
        return [name for name in names if not name.endswith(".snakemake_timestamp")]


@contextmanager
def edited(file: Path, old: str, new: str) -> Iterator[None]:
    """Replace the first `old` in a file by `new`, and put it back at the end."""
    text = file.read_text()
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        file.write_text(text)


def copied_checkout(folder: Path) -> Path:
    """Copy of the repository all that the workflow consists of, and return the folder."""
    for name in ("promptreg", "rules", "config", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write a manifest; cells that a row leaves out are empty."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_image(folder: Path, name: str, *, shift: tuple[int, int] = (0, 0), seed: int = 0) -> None:
    """Write a textured bright blob `shift` (y, x) cells off the centre, its label 1, and three landmarks.

    `name` ends in .png or .npy; images of one seed differ in their shift alone.
    """
    y, x = np.mgrid[:SIDE, :SIDE]
    blob = np.hypot((y - SIDE / 2) / 1.3, x - SIDE / 2) < SIDE / 5
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), 2.0)
    values = 90 * ndimage.gaussian_filter(blob.astype(float), 1.0) + 40 * np.abs(texture) / texture.std()
    write_picture(folder / name, np.roll(values, shift, axis=(0, 1)).clip(0, 255).astype(np.uint8))
    write_picture(folder / beside(name, "labels"), np.roll(blob, shift, axis=(0, 1)).astype(np.uint8))
    landmarks = SIDE / 2 + np.array([[0, 0], [4, -5], [-6, 3]]) + shift[::-1]
    points = "\n".join(f"{one[0]},{one[1]}" for one in landmarks)
    (folder / beside(name, "landmarks")).with_suffix(".csv").write_text(f"x,y\n{points}\n")


def beside(name: str, kind: str) -> str:
    """The name of an image's labels or landmarks; the latter get the suffix .csv."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}_{kind}{dot}{'csv' if kind == 'landmarks' else suffix}"


def row(pair: str, moving: str, fixed: str, **cells: str) -> dict[str, str]:
    """A line of the manifest with all annotations that `write_image` leaves; `cells` replace some."""
    annotations = {
        f"{side}_{kind}": beside(image, kind)
        for side, image in (("moving", moving), ("fixed", fixed))
        for kind in ("labels", "landmarks")
    }
    return {"pair_id": pair, "moving": moving, "fixed": fixed, "application": "blobs", **annotations} | cells


def write_picture(path: Path, values: np.ndarray) -> str:
    """Write an array as .png or .npy and return its name."""
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        imsave(path, values, check_contrast=False)
    return path.name


def tiny_pairs(folder: Path) -> list[dict[str, str]]:
    """Write three images and return three pairs of them: one shard of images and one of pairs."""
    for name, shift in (("centre.png", (0, 0)), ("low.npy", (5, -3)), ("right.png", (-2, 6))):
        write_image(folder, name, shift=shift)
    return [
        row("down", "centre.png", "low.npy"),
        row("left", "right.png", "centre.png"),
        row("across", "low.npy", "right.png", application="far"),
    ]
