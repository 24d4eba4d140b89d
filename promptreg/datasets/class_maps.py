"""Land cover in the colours of the Zurich Summer data set: classes, and regions of one class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CLASSES = {
    1: ("roads", (0, 0, 0)),
    2: ("buildings", (100, 100, 100)),
    3: ("trees", (0, 125, 0)),
    4: ("grass", (0, 255, 0)),
    5: ("bare soil", (150, 80, 0)),
    6: ("water", (0, 0, 150)),
    7: ("railways", (255, 255, 0)),
    8: ("swimming pools", (150, 150, 255)),
}
"""Name and colour of each class, red first; white is background."""
WHITE = (255, 255, 255)
VEGETATION = (3, 4)
SMALLEST = 200


def read_classes(path: Path) -> np.ndarray:
    """Read a class map; (Y, X) int32, 0 is background.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not three colours, or colours that are of no class; names the file.
    """
    import numpy as np

    from promptreg.fileformats import decode

    values = decode(path).values
    if len(values) != 3:
        msg = f"{path}: {len(values)} values a pixel; a class map has three, red, green and blue"
        raise ValueError(msg)
    code = _code(np.moveaxis(values, 0, -1))
    labels = np.select([code == _code(np.array(colour)) for _, colour in CLASSES.values()], list(CLASSES), 0)
    unknown = (labels == 0) & (code != _code(np.array(WHITE)))
    if unknown.any():
        row, column = np.argwhere(unknown)[0]
        msg = (
            f"{path}: {int(unknown.sum())} pixels are of no class, the first ({column}, {row}) is "
            f"{values[:, row, column].tolist()}; expected the colours of the data set, red first"
        )
        raise ValueError(msg)
    return labels.astype(np.int32)


def regions(classes: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Return connected regions of one class (Y, X) int32, largest first, and their names by label.

    Regions of fewer than `SMALLEST` pixels are background.
    """
    import numpy as np
    from scipy import ndimage

    found: list[tuple[int, str, np.ndarray]] = []
    for label, (name, _) in CLASSES.items():
        parts, _ = ndimage.label(classes == label, structure=np.ones((3, 3)))
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        found += [(int(sizes[one]), name, parts == one) for one in np.nonzero(sizes >= SMALLEST)[0]]
    labels, names = np.zeros(classes.shape, dtype=np.int32), {}
    for n, (_, name, mask) in enumerate(sorted(found, key=lambda one: -one[0]), start=1):
        labels[mask] = n
        names[n] = f"{name} {n}"
    return labels, names


def _code(values: np.ndarray) -> np.ndarray:
    """One number for the three colours of the last axis."""
    import numpy as np

    return np.asarray(values, dtype=np.int64) @ (1 << 16, 1 << 8, 1)
