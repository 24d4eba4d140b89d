"""One mask of both lungs as two labels: the centroid of both together hardly sees how one is displaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

NAMES = {1: "right lung", 2: "left lung"}


def left_and_right(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Return labels (Z, Y, X) int32, 1 right and 2 left, of a mask (Z, Y, X) of both lungs.

    The lungs of many masks touch, so they are cut at the sagittal plane of the middle third that holds
    least of the mask, the first one from the right of the patient; it belongs to the left lung. Needs a grid
    whose last axis runs from right to left or back.
    """
    import numpy as np

    inside = mask > 0
    # Planes from right to left of the patient, so that flipped files of one scan are cut alike.
    leftwards = slice(None) if grid.affine[0, -2] > 0 else slice(None, None, -1)
    area = inside.sum(axis=(0, 1))[leftwards]
    first, last = len(area) // 3, len(area) - len(area) // 3
    cut = first + int(np.argmin(area[first:last]))
    left = (np.arange(len(area)) >= cut)[leftwards]
    return np.where(inside, np.where(left, 2, 1), 0).astype(np.int32)
