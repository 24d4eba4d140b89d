"""Rules of the demo pictures: how a look is changed, and how regions are labelled.

Pictures are (Y, X, C) in [0, 1], label maps (Y, X) int32 with 0 as background.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes, binary_opening, gaussian_filter
from skimage.color import hed2rgb, rgb2hed
from skimage.filters import threshold_otsu
from skimage.measure import label as components
from skimage.measure import regionprops


def restained(picture: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Give histology another stain: brown turns to pink, the blue nuclei become stronger."""
    mix = np.array([[1.5, 0.05, 0.0], [0.1, 0.8, 0.0], [0.1, 1.6, 0.25]])
    return hed2rgb(rgb2hed(np.clip(picture, 0, 1)) @ mix)


def relit(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light a picture unevenly, brighter on one side, and change its contrast curve."""
    rows, columns = np.mgrid[-1 : 1 : 1j * picture.shape[0], -1 : 1 : 1j * picture.shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.8 + 0.3 * (np.cos(angle) * columns + np.sin(angle) * rows)
    return picture**0.75 * light[..., None]


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the white balance, the saturation and the contrast curve."""
    grey = picture.mean(axis=-1, keepdims=True)
    balance = rng.uniform(0.75, 1.2, picture.shape[-1])
    return (grey + 0.6 * (picture - grey)) ** 1.2 * balance


def darkened(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Invert the grey values, as another band or modality would show the same objects, and light unevenly."""
    return relit(1 - 0.8 * picture, rng)


def largest(mask: np.ndarray, count: int) -> np.ndarray:
    """Return (Y, X) int32: the `count` largest connected parts of a mask as labels 1.. in order of size."""
    parts = components(binary_opening(binary_fill_holes(mask), iterations=2))
    order = sorted(regionprops(parts), key=lambda part: -part.area)[:count]
    labels = np.zeros(mask.shape, dtype=np.int32)
    for number, part in enumerate(order, start=1):
        labels[parts == part.label] = number
    return labels


def glands(picture: np.ndarray) -> np.ndarray:
    """Label the two largest parts of glandular tissue: smoothed brown, red less blue, above Otsu's level."""
    brown = gaussian_filter(picture[..., 0] - picture[..., 2], 5)
    return largest(brown > threshold_otsu(brown), 2)


def disc_and_macula(picture: np.ndarray) -> np.ndarray:
    """Label the optic disc (brightest smoothed green) and the macula (darkest in the middle) of a fundus."""
    green = gaussian_filter(picture[..., 1], 4)
    rows, columns = np.indices(green.shape)
    radius = np.hypot(rows / green.shape[0] - 0.5, columns / green.shape[1] - 0.5)
    disc = largest(green > np.quantile(green[radius < 0.45], 0.985), 1)
    dark = np.where(radius < 0.2, green, 1.0)
    macula = largest(dark < np.quantile(dark[radius < 0.2], 0.12), 1)
    return np.where(disc > 0, 1, 2 * macula).astype(np.int32)


def coins(picture: np.ndarray) -> np.ndarray:
    """Label the eight largest coins: smoothed grey well above the local background."""
    grey = gaussian_filter(picture[..., 0], 2)
    return largest(grey > gaussian_filter(picture[..., 0], 40) + 0.06, 8)


def maria(picture: np.ndarray) -> np.ndarray:
    """Label the two largest dark patches of the lunar surface."""
    grey = gaussian_filter(picture[..., 0], 3)
    return largest(grey < np.quantile(grey, 0.04), 2)
