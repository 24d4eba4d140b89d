"""What a result was made from: code digests, signatures, versions. Imports no torch."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

# Their content reaches a stage through its parameters, so a changed word in them is not a changed stage.
_NOT_CODE = {"promptreg.config", "promptreg.registry", "promptreg.provenance", "promptreg"}
_NOT_CODE_BELOW = "promptreg.config."
_ROOT = Path(__file__).parent
PLANNED_VARIABLE = "PROMPTREG_PLANNED"
"""Environment variable of jobs: when their run was planned, seconds since 1970."""
_RECORDED = ("promptreg", "torch", "numpy", "scipy", "monai", "zarr", "snakemake")


@dataclass(frozen=True)
class Signature:
    """What identifies a store: its kind, its parameters, the digests of its inputs and of the code."""

    kind: str
    params: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    code: str = ""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 over all of it."""
        return fingerprint(asdict(self))


def fingerprint(value: Any) -> str:
    """Return the hexadecimal SHA-256 of a JSON-serializable value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide about numbers."""
    return {name: importlib.metadata.version(name) for name in _RECORDED if _installed(name)}


@cache
def code_digest(*modules: str) -> str:
    """Return a short digest of modules and all that they import from this package.

    The parsed syntax tree is hashed without docstrings (also those of constants), so comments, formatting
    and documentation change nothing, and a changed constant does.
    """
    closure = sorted(_closure(modules))
    joined = "\n".join(f"{name} {_module_digest(name)}" for name in closure)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def check_unchanged(modules: Sequence[str], planned: str) -> None:
    """Refuse to work with other code than a job was planned with, which its result would be signed with.

    Files are only compared where one of the package was written since (PLANNED_VARIABLE).

    Raises:
        RuntimeError: the code of one of the modules, or of what they import, is another one by now.
    """
    since = float(os.environ.get(PLANNED_VARIABLE, "inf"))
    if all(file.stat().st_mtime <= since for file in _ROOT.rglob("*.py")) or code_digest(*modules) == planned:
        return
    msg = f"the code of {modules[0]} has changed since this run was planned; start the run again"
    raise RuntimeError(msg)


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _closure(modules: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen or name in _NOT_CODE or name.startswith(_NOT_CODE_BELOW):
            continue
        seen.add(name)
        todo += _imports(name)
    return seen


def _file(name: str) -> Path | None:
    """The file of a module of this package; found without importing anything."""
    place = _ROOT.joinpath(*name.split(".")[1:])
    options = (place.with_suffix(".py"), place / "__init__.py")
    return next((one for one in options if one.is_file()), None)


@cache
def _source(name: str) -> ast.Module:
    file = _file(name)
    if file is None:
        msg = f"module {name} not found in {_ROOT}"
        raise ValueError(msg)
    return ast.parse(file.read_text())


@cache
def _imports(name: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(_source(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(one for one in dict.fromkeys(found) if one.startswith("promptreg.") and _file(one))


@cache
def _module_digest(name: str) -> str:
    tree = _source(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_text(one)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
