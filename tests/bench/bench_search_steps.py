"""What each step of the search adds, on pairs whose rigid motion is known exactly.

Run as a script (`python tests/bench/bench_search_steps.py MANIFEST`), or by `make bench`. For the same eight
prompts of every pair it says, after each step: the median distance of the found prompt from where the known
motion takes the given one (% of the longest side), the share within 5 %, the Dice of R^y with R^x carried by
the known motion, and CPU seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from promptreg.config import Prompts, Search, Views
from promptreg.datasets.manifest import Manifest
from promptreg.geometry import apply_affine, resample
from promptreg.models.weightfree import WeightFree
from promptreg.prealign import prealign
from promptreg.prompts import place_prompts
from promptreg.search import search_prompts
from promptreg.views import sample_views, view_image

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "MANIFEST.csv"
RIGID = ("pathology_tma", "aerial_zurich")
BASE = {"affine_prior": False, "auxiliary": {"enabled": False}, "eq1": "peak"}
STEPS: dict[str, tuple[int, dict]] = {
    "same coordinate": (1, {**BASE, "start": "same"}),
    "peak": (1, {**BASE, "start": "similarity"}),
    "+ gate": (1, {**BASE, "start": "gated"}),
    "+ affine prior": (1, {**BASE, "start": "gated", "affine_prior": True}),
    "+ Gauss-Newton (compass)": (1, {**BASE, "affine_prior": True, "eq1": "gauss_newton"}),
    "+ auxiliary": (1, {"affine_prior": True, "eq1": "gauss_newton"}),
    "+ marginalization": (5, {"affine_prior": True, "eq1": "gauss_newton"}),
    "default (no compass)": (5, {}),
}


def measure(manifest: Path, limit: int | None = None) -> pd.DataFrame:
    """Return one row a step and pair."""
    reader, model, rows = Manifest(str(manifest)), WeightFree(), []
    for spec in [one for one in reader.pairs() if one.pair.startswith(RIGID)][:limit]:
        moving, fixed = reader.image(spec.moving), reader.image(spec.fixed)
        truth = rigid_truth(reader, spec, moving, fixed)
        prompts = place_prompts(moving, None, Prompts(), seed=0)
        views = [model.embed(view_image(moving, one)) for one in sample_views(moving.grid, Views(), seed=0)]
        embedded, start = model.embed(fixed), prealign(moving, fixed, "mass")
        side = float(fixed.grid.extent.max())
        for name, (n_views, settings) in STEPS.items():
            begun = time.process_time()
            config = Search.model_validate(settings)
            rois = search_prompts(
                model, views[:n_views], embedded, prompts, config=config, prealignment=start, seed=0
            )
            seconds = time.process_time() - begun
            wanted = apply_affine(truth, prompts.points[:, 0])
            error = (rois.points[:, 0, 0].double() - wanted).norm(dim=-1) / side * 100
            rows.append((spec.pair, name, float(error.median()), float((error < 5).double().mean()) * 100,
                         region_dice(rois, truth), seconds))  # fmt: skip
    return pd.DataFrame(rows, columns=["pair", "step", "median_error", "within_5", "dice", "seconds"])


def rigid_truth(reader: Manifest, spec, moving, fixed) -> np.ndarray:
    """Return the least-squares affine, moving to fixed, of the derived landmarks (exact to 0.03 px)."""
    source = reader.landmarks(spec.annotations["moving_landmarks"], moving.grid)
    target = reader.landmarks(spec.annotations["fixed_landmarks"], fixed.grid)
    solution, *_ = np.linalg.lstsq(np.c_[source, np.ones(len(source))], target, rcond=None)
    return np.vstack([solution.T, [0, 0, 1]])


def region_dice(rois, truth: np.ndarray) -> float:
    """Mean Dice of the averaged R^y and of the averaged R^x carried by the true motion, cut at 0.5."""
    seen = rois.visible.flatten(2).any(-1).float()[..., None, None]
    fixed = (rois.fixed * seen).sum(1) / seen.sum(1)
    weight = rois.visible.float().sum(1).clamp(min=1)
    moving = (rois.moving * rois.visible).sum(1) / weight
    carried = resample(moving, rois.moving_grid, rois.fixed_grid, transform=np.linalg.inv(truth)) > 0.5
    found = fixed > 0.5
    overlap = 2 * (carried & found).flatten(1).sum(1) / (carried.flatten(1).sum(1) + found.flatten(1).sum(1))
    return float(overlap.nan_to_num().mean()) * 100


def table(frame: pd.DataFrame) -> str:
    """Return the mean over pairs of every step."""
    means = frame.groupby("step", sort=False)[["median_error", "within_5", "dice", "seconds"]].mean()
    return means.round(1).to_markdown()


@pytest.mark.bench
@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_file(), reason="no real pairs beside the project")
def test_searching_beats_the_same_coordinate() -> None:
    frame = measure(DATA, limit=2)
    sys.stdout.write(table(frame))
    means = frame.groupby("step")["within_5"].mean()
    assert means["default (no compass)"] > means["same coordinate"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(table(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)) + "\n")
