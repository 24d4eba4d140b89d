from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from promptreg.geometry import affine_to_ddf, default_affine
from promptreg.provenance import Signature
from promptreg.stages import inverse
from promptreg.stages.inputs import ddf_variables, grid_record, image_variables
from promptreg.store import create
from promptreg.types import Grid, Image

GRID = Grid((40, 50), default_affine(2), "px")
JOB = {"dataset": "d", "method": "promptreg", "variant": "mine"}


def shifted(amount):
    matrix = np.eye(3)
    matrix[0, 2] = amount
    return affine_to_ddf(matrix, GRID)


@pytest.fixture
def stores(tmp_path):
    """Three pairs: both ways there, the way back failed, and a pair without a way back."""
    fields = {"a": 3.0, "a_reversed": -1.0, "b": 3.0, "c": 0.0}
    grid = {"grid": grid_record(GRID)}
    with create(tmp_path / "ddf.zarr", Signature("ddf", {})) as writer:
        for name, amount in fields.items():
            writer.put(name, ddf_variables(shifted(amount)), **grid)
        writer.fail("b_reversed", "too hard")
    with create(tmp_path / "images.zarr", Signature("images", {})) as writer:
        data = torch.rand(1, *GRID.shape, generator=torch.Generator().manual_seed(0)) + 1
        writer.put("image", image_variables(Image(data, GRID)), **grid)
    with create(tmp_path / "pairs.zarr", Signature("pairs", {})) as writer:
        for name in (*fields, "b_reversed"):
            attrs = {"moving": "image", "fixed": "image", "prealignment": np.eye(3).tolist(), "group": "g"}
            writer.put(name, {}, **attrs)
    return [str(tmp_path / f"{kind}.zarr") for kind in ("ddf", "images", "pairs")]


def test_a_pair_that_was_registered_both_ways_has_a_row_and_no_other(stores, tmp_path):
    inverse.run(JOB, stores, str(tmp_path / "out.parquet"))
    (row,) = pd.read_parquet(tmp_path / "out.parquet").to_dict("records")
    assert (row["pair"], row["group"], row["variant"], row["unit"]) == ("a", "g", "mine", "px")
    assert row["value"] == pytest.approx(2.0)


def test_without_such_a_pair_the_file_is_empty_and_can_be_joined_to_others(stores, tmp_path):
    without = [one for one in stores if "pairs" not in one]
    with create(tmp_path / "alone.zarr", Signature("pairs", {})) as writer:
        writer.put("c", {}, moving="image", fixed="image", prealignment=np.eye(3).tolist(), group="g")
    inverse.run(JOB, [*without, str(tmp_path / "alone.zarr")], str(tmp_path / "none.parquet"))
    inverse.run(JOB, stores, str(tmp_path / "out.parquet"))
    frames = [pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("none", "out")]
    assert [len(one) for one in frames] == [0, 1]
    assert pd.concat(frames)["value"].dtype == float
