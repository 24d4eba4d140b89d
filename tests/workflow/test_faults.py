"""Faults put in on purpose: each is refused with its name or survived, and never ends in other numbers.

Kills are in test_killed.py and test_soak.py, faults of a cluster in tests/slurm.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from damage import flip_in_store
from forked_stages import StageCommand, check_whole, commands, remove, run
from test_killed import finish_and_compare
from tiny_benchmark import TIMEOUT_S, Benchmark, edited

from promptreg import runguard
from promptreg.status import status
from promptreg.store import DATA, verify

# Minutes: every fault runs the benchmark twice.
pytestmark = pytest.mark.slow

READ = {
    "pairs": ("images", "centre-*/data/c/0/0/0"),
    "embed": ("images", "centre-*/data/c/0/0/0"),
    "search": ("embeddings", "centre-*.view0/features/c/0/0/0"),
    "marginalize": ("rois", "down/fixed/c/0/0/0/0"),
    "fit": ("correspondences", "down/fixed/c/0/0/0"),
    "baseline": ("pairs", "down/zarr.json"),
    "evaluate": ("ddf", "down/displacement/c/0/0/0"),
    "listing": ("pairs", "down/zarr.json"),
    "gallery": ("ddf", "down/displacement/c/0/0/0"),
}
"""A part of a store that each stage reads."""
STORES = ("images", "pairs", "embed", "search", "marginalize", "fit", "baseline")
FILES = ("evaluate", "listing", "tables", "figures", "report")

Copied = tuple[Path, list[StageCommand]]
Keep = Callable[[Path], Path]


@pytest.fixture(scope="module")
def copied(finished: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Copied:
    """A copy of finished results, and the commands that make them anew in their places."""
    folder = tmp_path_factory.mktemp("copied") / "results"
    shutil.copytree(finished.results, folder)
    return folder, commands(finished, results_dir=str(folder))


@pytest.fixture
def keep(copied: Copied) -> Iterator[Keep]:
    """A function that takes a copy of a store or file, which is put back after the test."""
    copies: list[tuple[Path, Path]] = []

    def one(path: Path) -> Path:
        copy = copied[0].parent / f"kept{len(copies)}"
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, copy)
        copies.append((path, copy))
        return path

    yield one
    for path, copy in copies:
        remove(path)
        shutil.move(copy, path)


def of_stage(copied: Copied, stage: str) -> StageCommand:
    """The last job of a stage."""
    return [one for one in copied[1] if one.stage == stage][-1]


def name_of(store: Path, pattern: str) -> str:
    """The first part of a store whose name fits."""
    with zipfile.ZipFile(store / DATA) as archive:
        return next(name for name in archive.namelist() if fnmatch(name, pattern))


@pytest.mark.parametrize("damage", ["flipped", "cut"])
@pytest.mark.parametrize("stage", READ)
def test_a_damaged_store_is_refused_by_name_and_never_read_as_something_else(
    copied: Copied, keep: Keep, tmp_path: Path, stage: str, damage: str
) -> None:
    command, (kind, part) = of_stage(copied, stage), READ[stage]
    store = keep(next(one for one in command.stores if one.is_relative_to(copied[0] / kind)))
    (output,) = command.outputs
    remove(keep(output))
    if damage == "flipped":
        flip_in_store(store, name_of(store, part), 9)
    else:
        os.truncate(store / DATA, (store / DATA).stat().st_size // 2)
    said = run(command, tmp_path / "log")
    assert f"store {store}" in said
    assert "delete the store and run again" in said
    assert not output.is_file()
    assert not list(output.parent.glob(".*.partial"))
    (named,) = status(copied[0], check=True).damaged
    assert f"store {store}" in named


@pytest.mark.parametrize("stage", [*STORES, *FILES])
def test_a_full_disk_ends_a_job_leaves_nothing_half_written_and_the_job_runs_once_there_is_room(
    copied: Copied, keep: Keep, tmp_path: Path, stage: str
) -> None:
    command = of_stage(copied, stage)
    (output,) = command.outputs
    files = [output / DATA] if output.is_dir() else [output]
    limit = files[0].stat().st_size // 2
    before = others(output)
    remove(keep(output))
    said = run(command, tmp_path / "log", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert "File too large" in said
    assert not output.exists()
    assert others(output) == before
    assert run(command, tmp_path / "log") == ""
    check_whole(output)


def others(output: Path) -> set[str]:
    """What lies beside an output, hidden or not."""
    return {one.name for one in output.parent.iterdir()} - {output.name}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB in memory; it takes root to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("stage", ["embed", "report"])
def test_a_file_system_without_space_is_said_and_survived(
    copied: Copied, small_disk: Path, tmp_path: Path, stage: str
) -> None:
    command = of_stage(copied, stage)
    output = small_disk / command.outputs[0].name
    place = command.arguments.index("--output") + 1
    moved = StageCommand((*command.arguments[:place], str(output), *command.arguments[place + 1 :]))
    assert "No space left on device" in run(moved, tmp_path / "log")
    assert list(small_disk.iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run(moved, tmp_path / "log") == ""
    check_whole(output)
    assert list(small_disk.iterdir()) == [output]


def test_a_run_into_results_that_another_run_writes_is_refused(fresh: Benchmark) -> None:
    target = fresh.results / "images/tiny/000.zarr"
    runguard.hold_results(fresh.results)
    try:
        refused = fresh.run(str(target))
    finally:
        os.close(runguard._held.pop())
    assert refused.returncode != 0
    assert f"another run writes into {fresh.results}" in refused.stdout
    assert not (fresh.results / "images").exists()
    fresh.complete(str(target))
    verify(target)


def test_of_two_runs_started_at_once_in_one_folder_one_does_the_work(fresh: Benchmark) -> None:
    target = fresh.results / "images/tiny/000.zarr"
    runs = [
        subprocess.Popen(
            fresh.command(str(target)),
            cwd=fresh.folder,
            env=fresh.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=TIMEOUT_S)[0] for one in runs]
    assert 0 in [one.returncode for one in runs], said
    for one, text in zip(runs, said, strict=True):
        assert one.returncode == 0 or "cannot be locked" in text or "another run writes into" in text
    verify(target)
    assert fresh.temporary_files() == []


def test_code_that_changes_under_a_run_is_refused_and_the_next_run_takes_the_code_as_it_is(
    fresh: Benchmark,
) -> None:
    target, log = fresh.results / "pairs/tiny/000.zarr", fresh.results / "logs/images/tiny/000.log"
    process = subprocess.Popen(
        fresh.command(str(target)),
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with edited(fresh.checkout / "promptreg/stages/pairs.py", "(MISALIGNED)", "(str(MISALIGNED))"):
        assert process.wait(TIMEOUT_S) != 0
        said = (fresh.results / "logs/pairs/tiny/000.log").read_text()
        assert "the code of promptreg.stages.pairs has changed since this run was planned" in said
        assert not target.exists()
        verify(fresh.results / "images/tiny/000.zarr")
        fresh.complete(str(target))
    verify(target)


@pytest.mark.slow
def test_a_store_that_was_damaged_is_named_deleted_and_made_again_into_the_same_tables(
    fresh: Benchmark, finished: Benchmark
) -> None:
    table = str(fresh.results / "tables/table1.csv")
    fresh.complete(table)
    store = fresh.results / "rois/promptreg/tiny/000.zarr"
    flip_in_store(store, "down/fixed/c/0/0/0/0", 9)
    # All that follows goes too: Snakemake does not miss what nothing asks for.
    for made_of_it in ("correspondences", "ddf", "metrics", "metrics.parquet", "tables"):
        remove(fresh.results / made_of_it)
    failed = fresh.run(table)
    assert failed.returncode != 0
    assert f"store {store}" in failed.stdout
    (named,) = status(fresh.results, check=True).damaged
    assert f"store {store}" in named
    remove(store)
    finish_and_compare(fresh, finished)
