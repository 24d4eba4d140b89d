"""The workflow's files: linted, formatted, and every shipped configuration can be planned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stub_releases import write_stubs
from tiny_benchmark import ROOT, Benchmark, tiny_pairs, write_table

from promptreg.availability import source_of
from promptreg.config import Dataset
from promptreg.source_table import Source

CONFIGS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def published(config: str) -> dict[str, Source]:
    """The published data sets that a shipped configuration names, by its own names for them."""
    raw = yaml.safe_load((ROOT / "config" / config).read_text()).get("datasets", [])
    found = {one["name"]: source_of(Dataset.model_validate(one)) for one in raw}
    return {name: source for name, source in found.items() if source}


def call(
    module: str, *arguments: str, folder: Path = ROOT, data: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python module where published data lie in `data`; stdout and stderr come together in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PROMPTREG_DATA": str(data or folder / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in, with the links that the repository root has."""
    for name in ("config", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_snakemake_finds_nothing_to_complain_about(folder: Path) -> None:
    linted = call("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--lint", folder=folder)
    assert linted.returncode == 0, linted.stdout
    assert "Congratulations, your workflow is in a good condition" in linted.stdout


def test_the_rules_are_formatted() -> None:
    formatted = call("snakefmt", "--check", "Snakefile", "rules")
    assert formatted.returncode == 0, formatted.stdout


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All published data sets of the benchmark, as empty files."""
    root = tmp_path_factory.mktemp("releases")
    write_stubs(root, men=40, cores=30)
    return root


def planned(folder: Path, *configs: str | Path, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Plan shipped configurations, one laid over the other, for a small manifest."""
    manifest = write_table(folder / "pairs.csv", tiny_pairs(folder))
    return call(
        "snakemake",
        *("--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--dry-run", "--quiet", "rules"),
        *(
            "--configfile",
            *(str("config" / Path(one)) for one in configs),
            "--config",
            f"manifest={manifest}",
        ),
        folder=folder,
        data=data,
    )


@pytest.mark.parametrize("config", CONFIGS)
def test_a_shipped_configuration_can_be_planned(folder: Path, releases: Path, config: str) -> None:
    found = planned(folder, config, data=releases)
    assert found.returncode == 0, found.stdout[-3000:]
    assert "report" in found.stdout
    assert "fetch" not in found.stdout
    assert not (folder / "results").exists()


@pytest.mark.parametrize("config", [name for name in CONFIGS if published(name)])
def test_a_shipped_configuration_without_its_data_says_what_to_do_for_each(folder: Path, config: str) -> None:
    found = planned(folder, config)
    assert found.returncode != 0
    assert "Traceback" not in found.stdout
    for name, source in published(config).items():
        asked = source.accept or not source.archives
        assert (f"- data set '{name}': '{source.name}' is not here" in found.stdout) == bool(asked)
    assert not (folder / "results").exists()


def test_the_public_benchmark_is_fetched_where_licences_are_accepted(folder: Path) -> None:
    accepted = folder / "accepted.yaml"
    accepted.write_text("accept_licences: [all]\n")
    found = planned(folder, "benchmark.yaml", "benchmark_public.yaml", accepted)
    assert found.returncode == 0, found.stdout[-3000:]
    assert re.search(r"^fetch +5$", found.stdout, flags=re.MULTILINE)
    assert not (folder / "results").exists()


def test_the_paper_s_ablations_are_planned_on_all_subjects_of_one_data_set(
    folder: Path, releases: Path
) -> None:
    found = planned(folder, "prostate.yaml", "ablation_prompts.yaml", data=releases)
    assert found.returncode == 0, found.stdout[-3000:]
    assert re.search(r"^pairs +2$", found.stdout, flags=re.MULTILINE)


def test_the_paper_s_ablations_are_planned_on_what_is_public(folder: Path, releases: Path) -> None:
    found = planned(folder, "prostate.yaml", "prostate_public.yaml", "ablation_views.yaml", data=releases)
    assert found.returncode == 0, found.stdout[-3000:]
    assert re.search(r"^pairs +[1-9]\d*$", found.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("data", ["paper", "public", "demo"])
def test_one_command_makes_all_tables_of_the_paper(data: str) -> None:
    said = subprocess.run(
        ["make", "--dry-run", "paper", f"ON={data}", "SET=model=blend"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    named = set(re.findall(r"config/\S+\.yaml", said.replace("$ablation", "views")))
    assert "config/ablation_views.yaml" in named
    assert all((ROOT / name).is_file() for name in named)
    assert f"results_dir=results/paper/{data}/table1 model=blend" in said


def test_data_that_nobody_knows_are_refused_by_name() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "paper", "ON=nowhere"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    assert "ON=nowhere: expected paper, public or demo" in said.stderr


def test_the_profile_at_the_root_is_used_without_being_named(fresh: Benchmark) -> None:
    said = fresh.complete("--dry-run")
    assert "profiles/default" in said
    assert (ROOT / "profiles/default/config.yaml").is_file()


def test_every_rule_is_one_command_with_a_message_a_log_and_a_benchmark() -> None:
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    wanted = ("shell", "message", "log", "benchmark", "conda", "threads", "resources")
    n_rules = len(re.findall(r"^(?:rule|checkpoint) \w+:$", text, flags=re.MULTILINE))
    found = {name: len(re.findall(rf"^    {name}:", text, flags=re.MULTILINE)) for name in wanted}
    assert found == dict.fromkeys(wanted, n_rules)
    assert not re.search(r"^    (run|script):", text, flags=re.MULTILINE)
