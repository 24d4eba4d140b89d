from __future__ import annotations

from pathlib import Path

import pandas as pd

from promptreg.provenance import Signature
from promptreg.stages import listing
from promptreg.store import create


def spec(pair: str, moving: str, fixed: str, **subjects: str) -> dict:
    return {"pair": pair, "moving": moving, "fixed": fixed, "dimension": 2, "group": "g", **subjects}


def listed(folder: Path, *specs: dict) -> Path:
    params = {"dataset": {"name": "d"}, "pairs": list(specs)}
    with create(folder / "pairs.zarr", Signature("pairs", params)) as writer:
        for one in specs[:-1]:
            writer.put(one["pair"], {})
        writer.fail(specs[-1]["pair"], "no such file")
    listing.run({}, [str(folder / "pairs.zarr")], str(folder / "pairs.csv"))
    return folder / "pairs.csv"


def test_an_image_without_a_stated_subject_is_its_own_also_when_misaligned(tmp_path: Path):
    file = listed(tmp_path, spec("p", "a", "b"), spec("p_misaligned", "a_misaligned", "b"))
    assert set(listing.subjects_in(file).values()) == {("a", "b")}


def test_a_subject_that_one_pair_states_holds_for_the_image_elsewhere(tmp_path: Path):
    file = listed(tmp_path, spec("p", "a", "b", moving_subject="anna"), spec("q", "c", "a"))
    assert listing.subjects_in(file) == {("d", "p"): ("anna", "b"), ("d", "q"): ("c", "anna")}


def test_a_pair_that_could_not_be_read_is_listed_with_its_reason(tmp_path: Path):
    table = pd.read_csv(listed(tmp_path, spec("p", "a", "b"), spec("q", "c", "d")), keep_default_na=False)
    assert table["status"].tolist() == ["ok", "failed"]
    assert table["reason"].tolist() == ["", "no such file"]
