"""Published data that are absent: fetched by the run itself where that may be, else what to do is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from published_layouts import write_promis
from tiny_benchmark import SETTINGS, Benchmark, tiny_pairs
from tiny_checkpoints import served
from tiny_sources import archive, packed, source, write_sources

SPEC = {"name": "prostates", "reader": "promis", "source": "tiny"}
CHANGES = {"methods": ["identity"], "datasets": [SPEC], "figures": {"gallery": 0}}


class OfSources(Benchmark):
    """A benchmark whose published data sets are those of tables of its own."""

    def __init__(self, folder: Path, address: str, **changes: str) -> None:
        super().__init__(folder, tiny_pairs(folder), SETTINGS | CHANGES)
        write_promis(folder / "content")
        (folder / "offered").mkdir(exist_ok=True)
        file = packed(folder / "content", folder / "offered" / "a.zip")
        rows = [source(**changes), source(name="closed", obtain="ask the trial team")]
        self.tables = write_sources(folder, rows, [archive(**file, url=f"{address}/a.zip")])

    @property
    def environment(self) -> dict[str, str]:
        """Nothing is accepted, and data lie in the benchmark's folder."""
        data = {"PROMPTREG_DATA": str(self.folder / "data"), "NO_PROXY": "127.0.0.1"}
        return super().environment | self.tables | data | {"PROMPTREG_CACHE": str(self.folder / "cache")}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """What serves the folder of archives."""
    (tmp_path / "offered").mkdir()
    with served(tmp_path / "offered") as found:
        yield found


@pytest.mark.slow
def test_one_command_fetches_data_and_runs_and_the_next_has_nothing_to_do(
    tmp_path: Path, address: str
) -> None:
    benchmark = OfSources(tmp_path, address)
    benchmark.complete()
    assert (tmp_path / "data" / "tiny" / "prostate_mri" / "scan").is_dir()
    assert "is ready; licence CC0" in (benchmark.results / "data" / "tiny.txt").read_text()
    frame = pd.read_parquet(benchmark.results / "metrics.parquet")
    assert not {"failed", "not run"} & set(frame["status"])
    assert {"p7_study_0_to_p10_study_0", "p10_study_1_to_p10_study_0"} <= set(frame["pair"])
    assert "Licences of data" in (benchmark.results / "report.html").read_text()
    assert "Nothing to be done" in benchmark.complete()


def test_absent_data_are_planned_to_be_fetched_and_data_that_are_here_are_not(
    tmp_path: Path, address: str
) -> None:
    benchmark = OfSources(tmp_path, address)
    assert benchmark.planned().jobs == {"fetch": 1}
    (tmp_path / "content").rename(tmp_path / "data")
    (tmp_path / "data" / "prostate_mri").rename(tmp_path / "prostate_mri")
    (tmp_path / "data" / "tiny").mkdir()
    (tmp_path / "prostate_mri").rename(tmp_path / "data" / "tiny" / "prostate_mri")
    jobs = benchmark.planned().jobs
    assert "fetch" not in jobs
    assert {"images", "pairs", "register", "evaluate", "gather", "report"} <= set(jobs)


def test_data_under_terms_are_not_fetched_before_consent(tmp_path: Path, address: str) -> None:
    benchmark = OfSources(tmp_path, address, accept="noncommercial", licence="CC BY-NC 4.0")
    refused = benchmark.run("--dry-run")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stdout
    assert "data set 'prostates': 'tiny' is not here, and the licence of these data" in refused.stdout
    assert "promptreg data fetch tiny --accept-licence" in refused.stdout
    assert not (tmp_path / "data").exists()
    assert benchmark.planned(accept_licences=["tiny"]).jobs == {"fetch": 1}


def test_data_that_are_not_public_stop_the_run_or_are_left_out(tmp_path: Path, address: str) -> None:
    benchmark = OfSources(tmp_path, address)
    datasets = [SPEC, SPEC | {"name": "closed", "source": "closed"}]
    refused = benchmark.run("--dry-run", datasets=datasets)
    assert refused.returncode != 0
    assert "- data set 'closed': 'closed' is not here and not to be downloaded: ask the trial team" in (
        refused.stdout
    )
    assert "set `absent_data: leave_out` to run the others" in refused.stdout
    planned = benchmark.planned(datasets=datasets, absent_data="leave_out")
    assert planned.jobs == {"fetch": 1}


def test_a_download_that_fails_ends_the_run_with_the_reason_in_its_log(tmp_path: Path, address: str) -> None:
    benchmark = OfSources(tmp_path, address)
    (tmp_path / "offered" / "a.zip").unlink()
    failed = benchmark.run()
    assert failed.returncode != 0
    said = (benchmark.results / "logs" / "fetch" / "tiny.log").read_text()
    assert "cannot download" in said
    assert "404" in said
    assert "or by hand: download from the record" in said
    assert not (benchmark.results / "data" / "tiny.txt").exists()
