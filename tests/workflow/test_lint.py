"""The workflow's files: linted, formatted, and every shipped configuration can be planned."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_benchmark import ROOT, Benchmark, tiny_pairs, write_table

CONFIGS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def call(module: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a Python module; stdout and stderr come together in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
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


@pytest.mark.parametrize("config", CONFIGS)
def test_a_shipped_configuration_can_be_planned(folder: Path, config: str) -> None:
    manifest = write_table(folder / "pairs.csv", tiny_pairs(folder))
    planned = call(
        "snakemake",
        *("--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--dry-run", "--quiet", "rules"),
        *("--configfile", f"config/{config}", "--config", f"manifest={manifest}"),
        folder=folder,
    )
    assert planned.returncode == 0, planned.stdout[-3000:]
    assert "report" in planned.stdout
    assert not (folder / "results").exists()


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
