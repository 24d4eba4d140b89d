"""Tables of landmarks: CSV or TSV with named columns, in the frame that is usual for their dimension.

2D: `x, y`, column and row in pixels of the image, 0 at the centre of the first pixel. 3D: `x, y, z` in the
world (LPS mm), or, where these are absent, `i, j, k`, continuous voxel indices of the first, second and
third image axis. Row n of the moving table corresponds to row n of the fixed table.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from promptreg.atomic import replacing
from promptreg.geometry import index_to_world, world_to_index
from promptreg.types import Grid


def read_landmarks(path: str | Path, grid: Grid) -> np.ndarray:
    """Read landmarks of the image on `grid`; (N, ndim) float64 world coordinates x, y(, z).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: missing columns, text or NaN in a cell, no rows, or no point inside the image.
    """
    path = Path(path)
    columns, rows = _table(path)
    if grid.ndim == 2:
        points = _to_world(_numbers(path, rows, columns, ("y", "x")), grid)
    elif {"x", "y", "z"} <= set(columns):
        points = _numbers(path, rows, columns, ("x", "y", "z"))
    elif {"i", "j", "k"} <= set(columns):
        points = _to_world(_numbers(path, rows, columns, ("k", "j", "i")), grid)
    else:
        msg = f"{path}: columns {', '.join(columns)}; expected x, y, z (LPS mm) or i, j, k (voxels)"
        raise ValueError(msg)
    index = world_to_index(grid, torch.from_numpy(points)).numpy()
    if not ((index >= -0.5) & (index <= np.asarray(grid.shape) - 0.5)).all(1).any():
        msg = (
            f"{path}: none of the {len(points)} points lies inside the image, the first is at world "
            f"{points[0].round(1).tolist()}; are they in RAS, in voxels, or of another image?"
        )
        raise ValueError(msg)
    return points


def write_points(path: str | Path, points: np.ndarray, grid: Grid) -> None:
    """Write world points (N, ndim) of the image on `grid` so that `read_landmarks` returns them."""
    path = Path(path)
    points = np.asarray(points, dtype=float)
    index = world_to_index(grid, torch.from_numpy(points)).numpy()[:, ::-1]
    header, table = ("x,y", index) if grid.ndim == 2 else ("x,y,z,i,j,k", np.hstack([points, index]))
    lines = [f"{n}," + ",".join(f"{value:.6f}" for value in row) for n, row in enumerate(table)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([f"id,{header}", *lines]) + "\n", encoding="utf-8")


def _to_world(index: np.ndarray, grid: Grid) -> np.ndarray:
    return index_to_world(grid, torch.from_numpy(index)).numpy()


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    if not path.is_file():
        msg = f"{path}: no such file"
        raise FileNotFoundError(msg)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: not a table of text: {error}"
        raise ValueError(msg) from None
    if len(lines) < 2:
        msg = f"{path}: no landmarks; expected a line of column names and one line a point"
        raise ValueError(msg)
    return [name.strip().lower() for name in lines[0]], lines[1:]


def _numbers(path: Path, rows: list[list[str]], columns: list[str], wanted: tuple[str, ...]) -> np.ndarray:
    missing = [name for name in wanted if name not in columns]
    if missing:
        msg = f"{path}: no column {', '.join(missing)}; found {', '.join(columns)}"
        raise ValueError(msg)
    places = [columns.index(name) for name in wanted]
    points = np.empty((len(rows), len(wanted)))
    for n, row in enumerate(rows):
        try:
            points[n] = [float(row[place]) for place in places]
        except (ValueError, IndexError):
            points[n] = np.nan
        if not np.isfinite(points[n]).all():
            msg = f"{path}: line {n + 2} holds {','.join(row)!r}; expected numbers in {', '.join(wanted)}"
            raise ValueError(msg)
    return points
