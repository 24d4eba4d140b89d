"""Locating and running external programs."""

import os
import sys
import time
from pathlib import Path

import pytest

from promptreg.baselines import external
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.external import find_program, run

PLACE = {"variable": "TEST_TOOL_BIN", "package": "tool_of_a_test", "folder": "deep/bin"}


def write_program(folder: Path, name: str = "tool", *, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(mode)
    return program


def run_python(code: str, workdir: Path, *, time_limit_s: float = 30) -> Path:
    return run([sys.executable, "-c", code], workdir=workdir, time_limit_s=time_limit_s, threads=3)


@pytest.fixture(autouse=True)
def _no_tool(monkeypatch, tmp_path):
    monkeypatch.delenv("TEST_TOOL_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def package(monkeypatch, tmp_path):
    """An importable package that carries a program, and that must not be imported."""
    root = tmp_path / "site" / "tool_of_a_test"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(external.platform, "system", lambda: "Linux")
    monkeypatch.setattr(external.platform, "machine", lambda: "x86_64")
    return root


def test_the_folder_of_the_environment_variable_wins_over_the_path(monkeypatch, tmp_path):
    write_program(tmp_path / "path")
    chosen = write_program(tmp_path / "chosen")
    monkeypatch.setenv("TEST_TOOL_BIN", str(tmp_path / "chosen"))
    assert find_program("tool", **PLACE) == chosen


def test_a_variable_that_names_a_folder_without_the_program_is_an_error(monkeypatch, tmp_path):
    write_program(tmp_path / "path")
    monkeypatch.setenv("TEST_TOOL_BIN", str(tmp_path / "empty"))
    with pytest.raises(BaselineUnavailable, match="the folder that TEST_TOOL_BIN names"):
        find_program("tool", **PLACE)


def test_the_path_wins_over_the_package(tmp_path, package):
    write_program(package / "deep" / "bin")
    on_path = write_program(tmp_path / "path")
    assert find_program("tool", **PLACE) == on_path


def test_a_program_in_a_package_is_found_without_an_import_and_gets_its_run_bit(package):
    inside = write_program(package / "deep" / "bin", mode=0o644)
    found = find_program("tool", **PLACE)
    assert found == inside
    assert os.access(found, os.X_OK)


def test_a_read_only_package_is_copied_to_a_private_cache(monkeypatch, tmp_path, package):
    inside = write_program(package / "deep" / "bin", mode=0o644)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(self, mode, **_):
        if self == inside:
            raise PermissionError(self)
        os.chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", refuse)
    found = find_program("tool", **PLACE)
    assert tmp_path / "cache" in found.parents
    assert found.read_bytes() == inside.read_bytes()
    assert os.access(found, os.X_OK)
    assert not os.access(inside, os.X_OK)


def test_an_absent_program_says_how_to_provide_it(package):
    with pytest.raises(BaselineUnavailable, match="name its folder in TEST_TOOL_BIN, or install"):
        find_program("tool", **PLACE)


def test_another_platform_is_not_offered_a_linux_build(monkeypatch, package):
    write_program(package / "deep" / "bin")
    monkeypatch.setattr(external.platform, "machine", lambda: "arm64")
    with pytest.raises(BaselineUnavailable, match="no build for Linux arm64"):
        find_program("tool", **PLACE)


def test_a_run_keeps_its_log_and_limits_its_threads(tmp_path):
    log = run_python("import os; print(os.getcwd(), os.environ['OMP_NUM_THREADS'])", tmp_path)
    assert log.parent == tmp_path
    assert log.read_text().split() == [str(tmp_path.resolve()), "3"]


def test_words_of_a_command_are_not_read_by_a_shell(tmp_path):
    log = run(
        [sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; ls *"],
        workdir=tmp_path,
        time_limit_s=30,
        threads=1,
    )
    assert log.read_text().strip() == "$HOME; ls *"


def test_a_failure_ends_with_the_last_words_of_the_program(tmp_path):
    with pytest.raises(RuntimeError, match=r"failed with exit status 3; its last words:\n(.*\n)*no luck$"):
        run_python("[print(i) for i in range(50)]; print('no luck'); raise SystemExit(3)", tmp_path)


def test_a_crash_is_told_by_its_signal(tmp_path):
    with pytest.raises(RuntimeError, match="ended by signal SIGABRT"):
        run_python("import os; os.abort()", tmp_path)


def test_the_time_limit_ends_the_whole_process_group(tmp_path):
    child = "import time; time.sleep(2); open('late', 'w').close()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"was stopped after 0\.7 s"):
        run_python(code, tmp_path, time_limit_s=0.7)
    assert time.monotonic() - start < 1.9
    time.sleep(2)
    assert not (tmp_path / "late").exists()


def test_a_program_that_cannot_start_makes_the_method_unavailable(tmp_path):
    with pytest.raises(BaselineUnavailable, match="cannot be started here"):
        run([tmp_path / "nothing"], workdir=tmp_path, time_limit_s=5, threads=1)


def test_a_missing_system_library_makes_the_method_unavailable(tmp_path):
    with pytest.raises(BaselineUnavailable, match="lacks a system library"):
        run_python("print('error while loading shared libraries: libgomp'); raise SystemExit(127)", tmp_path)
