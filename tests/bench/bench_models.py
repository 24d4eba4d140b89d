"""Promptable models on real labelled images: segmentation from clicks, and correspondence between images.

    python tests/bench/bench_models.py MANIFEST --models weightfree --dimension 2 --out models.csv

Clicks: `best` is the Dice of the candidate that the model scores highest, `oracle` of the best candidate;
the first click is random, the following ones lie at the centre of the largest error. Correspondence: random
prompts in a structure of the moving image, searched in the fixed one, as given ("aligned" by the centroids)
and with the moving image under a known random similarity ("misaligned"). In 2D a volume gives the largest
slice of each structure. All models get the same points; values are means over prompts, then over organ
groups.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from bench_models_cases import Labelled, LabelledPair, labelled_pairs, largest_slice
from bench_models_clicks import click_rows
from bench_models_pairs import correspondence_rows, misaligned

from promptreg.models.base import PromptableModel
from promptreg.registry import find
from promptreg.types import Embedding

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "MANIFEST.csv"
OVERALL = "mean of groups"
KEYS = ["model", "dimension", "setting", "group", "measure"]
Row = tuple[str, str, str, float]


def measure(
    manifest: Path,
    names: list[str],
    dimension: int,
    *,
    parts: tuple[str, ...] = ("clicks", "pairs"),
    limit: int | None = None,
    n_points: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row a model, setting, group, measure and prompt, with its `value`."""
    frames = []
    for name in names:
        model = find("model", name).load()()
        rows: list[Row] = []
        if "clicks" in parts:
            rows += click_measures(
                model, labelled_pairs(manifest, dimension, limit), dimension, n_points, seed
            )
        if "pairs" in parts:
            for pair in labelled_pairs(manifest, dimension, limit):
                rows += pair_measures(model, pair, dimension, n_points, seed)
        frame = pd.DataFrame(rows, columns=["setting", "group", "measure", "value"])
        frames.append(frame.assign(model=name, dimension=dimension))
    return pd.concat(frames)[[*KEYS, "value"]]


def click_measures(
    model: PromptableModel, pairs: Iterator[LabelledPair], dimension: int, n_points: int, seed: int
) -> list[Row]:
    """Click into every structure of every image once, however many pairs it is in."""
    rows: list[Row] = []
    done: set[tuple[str, int]] = set()
    for pair in pairs:
        for whole in (pair.moving, pair.fixed):
            new = {v: g for v, g in pair.groups.items() if (whole.name, v) not in done}
            done |= {(whole.name, value) for value in new}
            for labelled, values in _views(whole, list(new), dimension):
                embedding, seconds = timed_embedding(model, labelled)
                for value in values:
                    rows.append(("clicks", new[value], "embedding seconds", seconds))
                    found = click_rows(model, labelled, embedding, value, n_points=n_points, seed=seed)
                    rows += [("clicks", new[value], what, one) for what, one in found]
    return rows


def _views(whole: Labelled, values: list[int], dimension: int) -> Iterator[tuple[Labelled, list[int]]]:
    """Yield what is embedded and the structures clicked in it: the volume, or each structure's own slice."""
    if dimension == 2:
        yield from ((largest_slice(whole, value), [value]) for value in values)
    elif values:
        yield whole, values


def pair_measures(
    model: PromptableModel, pair: LabelledPair, dimension: int, n_points: int, seed: int
) -> list[Row]:
    """Search in both directions, aligned and misaligned."""
    rows: list[Row] = []
    for moving, fixed in ((pair.moving, pair.fixed), (pair.fixed, pair.moving)):
        views = zip(
            _views(moving, list(pair.groups), dimension),
            _views(fixed, list(pair.groups), dimension),
            strict=True,
        )
        for (one, values), (other, _) in views:
            target = timed_embedding(model, other)[0]
            for setting, source in (("aligned", one), ("misaligned", misaligned(one, seed))):
                found = correspondence_rows(
                    model,
                    source,
                    other,
                    values,
                    embeddings=(timed_embedding(model, source)[0], target),
                    n_points=n_points,
                    seed=seed,
                )
                rows += [(setting, pair.groups[value], what, number) for what, value, number in found]
    return rows


def timed_embedding(model: PromptableModel, labelled: Labelled) -> tuple[Embedding, float]:
    """Embed an image; returns the CPU seconds too."""
    begun = time.process_time()
    with torch.no_grad():
        embedding = model.embed(labelled.image)
    return embedding, time.process_time() - begun


def group_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean `value` over prompts of every group, their number `n`, and the mean of the groups."""
    means = frame.groupby(KEYS, sort=False)["value"].agg(value="mean", n="size").reset_index()
    others = [key for key in KEYS if key != "group"]
    overall = means.groupby(others, sort=False).agg(value=("value", "mean"), n=("n", "sum")).reset_index()
    return pd.concat([means, overall.assign(group=OVERALL)], ignore_index=True)[[*KEYS, "value", "n"]]


def table(means: pd.DataFrame) -> str:
    """Return one line a model and measure, one column a group."""
    rows = ["dimension", "setting", "measure", "model"]
    wide = means.pivot_table(index=rows, columns="group", values="value", sort=False)
    return wide.round(3).reset_index().to_markdown(index=False)


@pytest.mark.bench
@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_file(), reason="no real pairs beside the project")
def test_candidates_hold_more_than_the_score_finds_and_searching_beats_the_same_coordinate() -> None:
    means = group_means(measure(DATA, ["weightfree"], 2, limit=1, n_points=1))
    sys.stdout.write(table(means))
    overall = means[means.group == OVERALL].set_index(["setting", "measure"])["value"]
    assert overall["clicks", "oracle, 1 click"] >= overall["clicks", "best, 1 click"] > 0
    hits = overall["misaligned"]
    assert hits["prompt hit, default"] > hits["prompt hit, same coordinate"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("manifest", type=Path, nargs="?", default=DATA)
    parser.add_argument("--models", nargs="+", default=["weightfree"])
    parser.add_argument("--dimension", type=int, choices=(2, 3), default=2)
    parser.add_argument("--parts", nargs="+", choices=("clicks", "pairs"), default=("clicks", "pairs"))
    parser.add_argument("--limit", type=int, help="pairs of each application; all if absent")
    parser.add_argument("--points", type=int, default=3, help="random prompts a structure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="CSV of the means")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    frame = measure(
        given.manifest,
        given.models,
        given.dimension,
        parts=tuple(given.parts),
        limit=given.limit,
        n_points=given.points,
        seed=given.seed,
    )
    means = group_means(frame)
    if given.out:
        means.to_csv(given.out, index=False, float_format="%.5g")
    sys.stdout.write(f"{table(means)}\nCPU seconds on {given.threads} thread(s)\n")


if __name__ == "__main__":
    main()
