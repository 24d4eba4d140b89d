"""The stereo pair of the demo data set: real on both sides, its truth is the measured disparity."""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2gray
from skimage.feature import corner_peaks, corner_shi_tomasi
from skimage.transform import resize

from promptreg.datasets.demo_pictures import FOLDER, as_tensor, load_picture
from promptreg.datasets.known_motion import KnownPair
from promptreg.geometry import default_affine
from promptreg.types import Grid, Image


def stereo_pair(*, width: int = 370) -> KnownPair:
    """Return the motorcycle pair: moving the right view, fixed the left, landmarks by true disparity."""
    left, right = load_picture("motorcycle_left.png"), load_picture("motorcycle_right.png")
    disparity = np.load(FOLDER / "motorcycle_disp.npz")["arr_0"].astype(np.float64)
    factor = width / left.shape[1]
    shape = round(left.shape[0] * factor), width
    grid = Grid(shape, default_affine(2), "px")
    points = corner_peaks(corner_shi_tomasi(rgb2gray(left), sigma=3), min_distance=16, exclude_border=16)
    points = points[visible(disparity, points)][:60]
    x, y = points[:, 1], points[:, 0]
    scale = np.array(shape[::-1]) / np.array(left.shape[1::-1])
    in_left = (np.stack([x, y], axis=1) + 0.5) * scale - 0.5
    in_right = (np.stack([x - disparity[y, x], y], axis=1) + 0.5) * scale - 0.5
    images = [Image(255 * as_tensor(resize(view, shape, anti_aliasing=True)), grid) for view in (right, left)]
    return KnownPair(images[0], images[1], None, None, in_right, in_left)


def visible(disparity: np.ndarray, points: np.ndarray, *, tolerance: float = 1.0) -> np.ndarray:
    """Return (N,) bool: which left pixels (N, 2), row and column, the right view sees too.

    Refused are unknown disparities, pixels that land outside or within `tolerance` pixels of a nearer one
    (of larger disparity), and those at an edge of depth: such a corner is no point of the scene.
    """
    y, x = points.T
    known = np.where(np.isfinite(disparity), disparity, -1e6)
    landing = x - known[y, x]
    rows = np.arange(disparity.shape[1]) - known[y]
    nearer = (np.abs(rows - landing[:, None]) <= tolerance) & (
        known[y] > known[y, x][:, None] + 2 * tolerance
    )
    steps = np.stack([known[y + dy, x + dx] for dy in (-4, 0, 4) for dx in (-4, 0, 4)])
    return np.isfinite(disparity[y, x]) & (landing >= 2) & ~nearer.any(axis=1) & (np.ptp(steps, axis=0) < 3)
