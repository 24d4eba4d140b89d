"""Tables of voxel indices without a header, as registration challenges publish keypoints and landmarks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid


def read_voxel_points(path: Path, grid: Grid, *, first: int = 0, columns: int = 3) -> np.ndarray:
    """Return world points (N, 3) from i, j, k in the columns from `first` of a table of so many `columns`.

    i, j and k count voxels along the first, second and third axis of the image file on `grid`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no rows, another number of columns, or text in a cell; names file and line.
    """
    import numpy as np
    import torch

    from promptreg.geometry import index_to_world

    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = [(reader.line_num, cells) for reader in [csv.reader(stream)] for cells in reader if cells]
    index = np.empty((len(lines), 3))
    for n, (line, cells) in enumerate(lines):
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        if len(numbers) != columns:
            msg = f"{path}: line {line} holds {','.join(cells)!r}; expected {columns} numbers and no header"
            raise ValueError(msg)
        index[n] = numbers[first : first + 3][::-1]
    if not len(index) or not np.isfinite(index).all():
        msg = f"{path}: {'holds NaN' if len(index) else 'no points'}; expected {columns} voxel indices a line"
        raise ValueError(msg)
    return index_to_world(grid, torch.from_numpy(index)).numpy()
