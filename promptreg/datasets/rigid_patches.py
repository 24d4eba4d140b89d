"""The known motion of a record of patches: pairs R and T, T being R's scene turned and shifted.

`info_test.csv` has a row a pair, and in it the corners of T (upper left, lower left, lower right, upper
right) in T itself, `X1_Ref` to `Y4_Ref`, and in R, `X1_Trans` to `Y4_Trans`: T was read from R's scene there.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TABLE = "info_test.csv"
CORNERS = (1, 2, 3, 4)
LATTICE = 6
STRETCH = 0.01


@lru_cache(maxsize=32)
def motions(path: Path) -> dict[str, np.ndarray]:
    """Return the map of every pair, (3, 3) homogeneous, pixels x, y of T to those of R, by the pair's name.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: a column is missing, a cell is no number, or the corners are not moved rigidly.
    """
    import numpy as np

    found: dict[str, np.ndarray] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            try:
                t, r = (
                    np.array([[float(row[f"{axis}{n}_{which}"]) for axis in "XY"] for n in CORNERS])
                    for which in ("Ref", "Trans")
                )
                name = row["Filename"]
            except (KeyError, TypeError, ValueError):
                msg = (
                    f"{path}: line {reader.line_num}: expected a Filename and X1_Ref to Y4_Trans; "
                    f"columns are {', '.join(reader.fieldnames or ())[:120]}"
                )
                raise ValueError(msg) from None
            found[name] = _rigid(t, r, f"{path}: line {reader.line_num}")
    return found


def _rigid(t: np.ndarray, r: np.ndarray, where: str) -> np.ndarray:
    import numpy as np

    solution, *_ = np.linalg.lstsq(np.c_[t, np.ones(4)], r, rcond=None)
    linear = solution[:2].T
    if np.abs(linear @ linear.T - np.eye(2)).max() > STRETCH or np.linalg.det(linear) < 0:
        msg = f"{where}: the corners are moved by {linear.round(3).tolist()}, which is no rotation"
        raise ValueError(msg)
    return np.vstack([solution.T, [0, 0, 1]])


def lattice(motion: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return corresponding points (N, 2) x, y of T and of R, a lattice on R less what T does not see."""
    import numpy as np

    rows, columns = (np.linspace(0.1, 0.9, LATTICE) * (n - 1) for n in shape)
    r = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    t = mapped(np.linalg.inv(motion), r)
    seen = inside(t, shape)
    return t[seen], r[seen]


def mapped(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a homogeneous (3, 3) map to points (..., 2)."""
    return points @ motion[:2, :2].T + motion[:2, 2]


def inside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return which points (..., 2) x, y lie within an image of `shape` (rows, columns)."""
    rows, columns = shape
    x, y = points[..., 0], points[..., 1]
    return (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)


def carried(regions: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a label map of R and what it is on T, without the regions that T does not see whole.

    T reads its pixels from R at the places that `motion` says, the nearest one of a label map.
    """
    import numpy as np

    shape = regions.shape
    y, x = np.nonzero(regions)
    there = inside(mapped(np.linalg.inv(motion), np.stack([x, y], axis=-1).astype(float)), shape)
    cut = np.unique(regions[y[~there], x[~there]])
    kept = np.where(np.isin(regions, cut), 0, regions)
    cells = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(float)
    source = mapped(motion, cells)
    column, row = (np.rint(source[..., axis]).astype(int) for axis in (0, 1))
    sees = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    on_t = np.where(sees, kept[row.clip(0, shape[0] - 1), column.clip(0, shape[1] - 1)], 0)
    return kept, on_t
