"""Bad input: an error before anything runs, or a row that says why while the other pairs have results."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import yaml
from tiny_benchmark import SETTINGS, SIDE, Benchmark, row, tiny_pairs, write_picture, write_table

from promptreg.plan import Plan
from promptreg.stages import search
from promptreg.store import open_store

PIXDIM_X = 80
"""Byte offset of the first voxel spacing in a NIfTI-1 header."""

REASONS = {
    "missing": ("absent.png", "no such file"),
    "nan": ("nan.npy", "1 of 3136 pixels are NaN or infinite"),
    "constant": ("constant.png", "constant image, every pixel is 7"),
    "truncated": ("truncated.nii", "truncated: "),
    "negative": ("negative.nii", "voxel spacing of -1"),
    "flat_on_solid": ("", "2D"),
    "labels_shape": ("small_labels.png", "must share one grid"),
    "labels_empty": ("empty_labels.png", "no label, every pixel is 0"),
    "point_outside": ("far_landmarks.csv", "none of the 1 points lies inside the image"),
    "points_uneven": ("", "1 moving and 3 fixed landmarks"),
}


def bad_pairs(folder: Path) -> list[dict[str, str]]:
    """Write bad files and return one pair for each, all against the same good image."""
    cube = np.random.default_rng(0).uniform(0, 255, (12, 12, 12)).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(cube), str(folder / "cube.nii"))
    whole = (folder / "cube.nii").read_bytes()
    (folder / "truncated.nii").write_bytes(whole[: len(whole) // 2])
    negative = np.float32(-1).tobytes()
    (folder / "negative.nii").write_bytes(whole[:PIXDIM_X] + negative + whole[PIXDIM_X + 4 :])
    holed = np.load(folder / "low.npy").astype(np.float32)
    holed[3, 4] = np.nan
    write_picture(folder / "nan.npy", holed)
    write_picture(folder / "constant.png", np.full((SIDE, SIDE), 7, np.uint8))
    write_picture(folder / "small_labels.png", np.eye(20, dtype=np.uint8))
    write_picture(folder / "empty_labels.png", np.zeros((SIDE, SIDE), np.uint8))
    (folder / "far_landmarks.csv").write_text("x,y\n500,500\n")
    (folder / "one_landmark.csv").write_text("x,y\n20,20\n")
    bare = dict.fromkeys(("moving_labels", "fixed_labels", "moving_landmarks", "fixed_landmarks"), "")
    good = {"moving": "centre.png", "fixed": "low.npy"}
    return [
        row("missing", "absent.png", "low.npy", **bare),
        row("nan", "nan.npy", "centre.png", **bare),
        row("constant", "constant.png", "low.npy", **bare),
        row("truncated", "truncated.nii", "cube.nii", **bare),
        row("negative", "cube.nii", "negative.nii", **bare),
        row("flat_on_solid", "centre.png", "cube.nii", **bare),
        row("labels_shape", **good, moving_labels="small_labels.png"),
        row("labels_empty", **good, fixed_labels="empty_labels.png"),
        row("point_outside", **good, moving_landmarks="far_landmarks.csv"),
        row("points_uneven", **good, moving_landmarks="one_landmark.csv"),
        row("no_labels", **good, moving_labels=""),
    ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benchmark, pd.DataFrame]:
    """A finished benchmark of two good pairs among many bad ones, and its measures.

    Prompts are drawn inside the moving labels, so that a pair without labels fails in the search alone.
    """
    folder = tmp_path_factory.mktemp("mixed")
    first, second, _ = tiny_pairs(folder)
    settings = SETTINGS | {
        "methods": ["identity", "promptreg"],
        "shard_size": 20,
        "embed": {"views": {"count": 1}},
        "search": {"prompts": {"count": 3, "where": "inside"}},
    }
    benchmark = Benchmark(folder, [first, *bad_pairs(folder), second], settings)
    benchmark.complete(str(benchmark.results / "tables/table1.md"))
    return benchmark, pd.read_parquet(benchmark.results / "metrics.parquet")


@pytest.mark.parametrize("pair", REASONS)
def test_a_bad_pair_becomes_a_row_with_its_reason(mixed: tuple[Benchmark, pd.DataFrame], pair: str) -> None:
    frame = mixed[1]
    rows = frame[frame["pair"] == pair]
    file, reason = REASONS[pair]
    assert rows["status"].tolist() == ["failed", "failed"]
    assert set(rows["group"]) == {"blobs"}
    for found in rows["reason"]:
        assert file in found
        assert reason in found


def test_good_pairs_have_results_beside_bad_ones(mixed: tuple[Benchmark, pd.DataFrame]) -> None:
    frame = mixed[1]
    for pair in ("down", "left"):
        rows = frame[frame["pair"] == pair]
        assert set(rows["status"]) == {"ok"}
        assert set(rows.loc[rows["metric"] == "dice", "method"]) == {"identity", "promptreg"}


def test_prompts_inside_labels_fail_where_there_are_none_and_the_baseline_goes_on(
    mixed: tuple[Benchmark, pd.DataFrame],
) -> None:
    rows = mixed[1][mixed[1]["pair"] == "no_labels"].set_index("method")
    assert rows.loc["promptreg", "status"] == "failed"
    assert "has no labels: provide moving labels, or set it to 'body'" in rows.loc["promptreg", "reason"]
    assert "landmark_tre" in set(rows.loc[["identity"], "metric"])


def test_the_table_counts_what_failed(mixed: tuple[Benchmark, pd.DataFrame]) -> None:
    table = (mixed[0].results / "tables/table1.md").read_text()
    registered = dict(re.findall(r"^\| (\w+) .* (\d+/13) \|$", table, flags=re.MULTILINE))
    assert registered == {"identity": "3/13", "promptreg": "2/13"}
    assert f"Registrations failed: {2 * len(REASONS) + 1};" in table


def test_nothing_half_written_is_left(mixed: tuple[Benchmark, pd.DataFrame]) -> None:
    assert mixed[0].temporary_files() == []


def refused(benchmark: Benchmark, **changes: Any) -> str:
    """What a dry run says that must fail, in words and not by a traceback."""
    finished = benchmark.run("--dry-run", **changes)
    assert finished.returncode != 0
    assert "Traceback" not in finished.stdout
    assert not benchmark.results.exists()
    return finished.stdout


def test_every_unknown_key_is_named_with_close_names(fresh: Benchmark) -> None:
    said = refused(fresh, sede=3, fit={"wieght": 1.0}, search={"prompts": {"cuont": 3}})
    assert "sede: unknown key; did you mean seed" in said
    assert "fit.wieght: unknown key; did you mean weight" in said
    assert "search.prompts.cuont: unknown key; did you mean count" in said


def test_an_unknown_model_is_refused_with_close_names(fresh: Benchmark) -> None:
    said = refused(fresh, embed={"model": "sam_vit_bb"})
    assert "sam_vit_bb" in said
    assert "did you mean sam_vit_b" in said


def test_a_missing_manifest_is_refused(fresh: Benchmark) -> None:
    said = refused(fresh, manifest=str(fresh.folder / "elsewhere.csv"))
    assert "data set 'tiny'" in said
    assert "elsewhere.csv: no such manifest" in said


def test_a_pair_listed_twice_is_refused_with_both_lines(fresh: Benchmark) -> None:
    text = fresh.manifest.read_text()
    fresh.manifest.write_text(text + text.splitlines()[1] + "\n")
    said = refused(fresh)
    assert "line 5" in said
    assert "'down' is in line 2 already" in said


def test_shards_too_large_for_a_command_line_are_refused(fresh: Benchmark) -> None:
    one = row("", "centre.png", "low.npy", application="blobs " * 50)
    write_table(fresh.manifest, [one | {"pair_id": f"pair{number}"} for number in range(300)])
    finished = fresh.run("--dry-run", shard_size=300)
    assert finished.returncode != 0
    assert "set shard_size below 300" in finished.stdout


def test_a_prompt_outside_the_image_fails_its_pair(finished: Benchmark, tmp_path: Path) -> None:
    settings = {"results_dir": str(finished.results), "manifest": str(finished.manifest), **finished.settings}
    plan = Plan(yaml.safe_load(json.dumps(settings)))
    job = json.loads(plan.search_job("same_coordinate", "tiny", "000"))
    job["search"]["prompts"]["points"] = ["500,20"]
    inputs = [
        str(finished.results / "pairs/tiny/000.zarr"),
        *plan.shard_images("tiny", "000"),
        *plan.embeddings("same_coordinate", "tiny", "000"),
    ]
    search.run(job, inputs, str(tmp_path / "rois.zarr"))
    attrs = open_store(tmp_path / "rois.zarr").attrs("down")
    assert attrs["status"] == "failed"
    assert "prompt 0 at world [500.0, 20.0] px lies outside the moving image" in attrs["reason"]


def test_a_full_disk_ends_the_run_and_leaves_nothing_half_written(fresh: Benchmark) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    write_picture(fresh.folder / "centre.png", noise)
    target = fresh.results / "images/tiny/000.zarr"
    limit = 20_000
    full = subprocess.run(
        fresh.command(str(target)),
        cwd=fresh.folder,
        env=fresh.environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode != 0
    assert "File too large" in full.stdout + full.stderr
    assert not target.exists()
    assert fresh.temporary_files() == []
    fresh.complete(str(target))
    assert open_store(target).groups
