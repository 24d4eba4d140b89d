"""Regions of a stained or fluorescent section by its brightness alone, where nobody has labelled any.

They mean nothing but "tissue of one kind": large patches that are darker (bright field) or brighter (one
channel) than three quarters of the section, after smoothing. On the image that they are computed on they are
exact by definition; a known motion makes them exact on its twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SHARE = 0.25
"""Share of the section that is in regions."""
SMOOTHING = 0.01
"""Standard deviation of the smoothing, as a fraction of the shorter side."""
SMALLEST, LARGEST = 0.004, 0.2
"""Areas of a region, as fractions of the section."""
MOST = 12
NAMES = {n: f"tissue {n}" for n in range(1, MOST + 1)}


def tissue_regions(picture: np.ndarray) -> np.ndarray:
    """Return labels (Y, X) int32 of a picture (C, Y, X), 1 the largest region, 0 elsewhere.

    Of three channels the dark parts are regions, of one channel the bright ones.
    """
    import numpy as np
    from scipy import ndimage

    grey = picture.mean(axis=0, dtype=np.float64)
    strength = -grey if len(picture) >= 3 else grey
    smooth = ndimage.gaussian_filter(strength, SMOOTHING * min(grey.shape), mode="nearest")
    parts, _ = ndimage.label(smooth > np.quantile(smooth, 1 - SHARE))
    sizes = np.bincount(parts.ravel()) / grey.size
    sizes[0] = 0
    kept = [part for part in np.argsort(-sizes, kind="stable") if SMALLEST <= sizes[part] <= LARGEST][:MOST]
    labels = np.zeros(grey.shape, dtype=np.int32)
    for n, part in enumerate(kept, start=1):
        labels[parts == part] = n
    return labels
