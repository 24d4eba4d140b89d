"""SIFT: hand-made local features, matched by their nearest neighbours; nothing is learned."""

from __future__ import annotations

from pathlib import Path

from kornia.feature import SIFTFeatureScaleSpace, laf_is_filled, match_smnn
from kornia.feature.laf import get_laf_center
from torch import Tensor

from promptreg.baselines.matcher import registered
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.types import Ddf, Pair

FEATURES = 4096
"""Most features of an image."""
RATIO = 0.95
"""Distance of the nearest descriptor from the second nearest that still matches; the package's default."""


class SiftMatcher:
    """SIFT features of both images that are each other's nearest, as a field."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the canonical field; RuntimeError where too few matches agree."""
        del workdir
        return registered(pair, matches, choose_device(settings.device))


def matches(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matched points (N, 2) x, y of two images (1, 1, Y, X)."""
    points, descriptors = zip(*(features(image) for image in (fixed, moving)), strict=True)
    _, pairs = match_smnn(descriptors[0], descriptors[1], RATIO)
    return points[0][pairs[:, 0]], points[1][pairs[:, 1]]


def features(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return places (N, 2) x, y and descriptors (N, 128) of the features of an image (1, 1, Y, X)."""
    detect = SIFTFeatureScaleSpace(FEATURES, device=image.device, descriptor_backend="pyramid")
    frames, _, descriptors = detect(image)
    filled = laf_is_filled(frames)[0]
    return get_laf_center(frames)[0][filled], descriptors[0][filled]
