"""The start of the fit where images take part: they had no part in the regions, so they may choose.

A map found from the embeddings (`initial`) lays the images well enough for the deformation. Where there is
none, closed forms through a few doubtful regions are all there is. Each is then improved as an affine map, by
images and regions together, and the images must say clearly that it was worth it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from promptreg.config import Fit
from promptreg.fit_descent import Images, descend
from promptreg.fit_levels import image_layers
from promptreg.fit_losses import image_loss
from promptreg.fit_start import is_sane
from promptreg.image_terms import INTENSITIES
from promptreg.parametrizations import Affine
from promptreg.types import Grid, Pair, RoiPairs

CLEARLY = 4 / 3
"""An improved map must make the images so many times as alike as any given one: they become a little more
alike by whatever affine map is fitted to them, and much more by the right one."""


def image_start(
    candidates: Mapping[str, np.ndarray],
    rois: RoiPairs,
    pair: Pair,
    images: Images,
    config: Fit,
    *,
    grids: Sequence[Grid],
) -> tuple[str, np.ndarray]:
    """Return the name and world map of the start under which the images are most alike.

    Args:
        candidates: world maps, fixed to moving, by name; without an "initial" they are improved.
        rois: region pairs, which hold an improved map in place.
        pair: the images.
        images: the image terms of the fit.
        config: settings of the fit.
        grids: the fit's grids, finest first; the coarser ones suffice here.
    """
    coarse = grids[1:] or grids
    used = [name for name, weight in config.image_terms.items() if weight > 0 and name in INTENSITIES]

    def best(starts: Mapping[str, np.ndarray]) -> tuple[str, float]:
        kind = used[0] if used else INTENSITIES[0]
        alike = likeness(pair, starts, coarse[0], kind=kind, device=rois.fixed.device)
        return max(alike.items(), key=lambda one: one[1])

    name, alike = best(candidates)
    if "initial" in candidates:
        return name, candidates[name]
    better = {
        one: improved(start, rois, pair, images, config, grids=coarse) for one, start in candidates.items()
    }
    other, more_alike = best(better)
    return (other, better[other]) if more_alike > CLEARLY * alike else (name, candidates[name])


def improved(
    start: np.ndarray, rois: RoiPairs, pair: Pair, images: Images, config: Fit, *, grids: Sequence[Grid]
) -> np.ndarray:
    """Return `start` after the affine map that images and regions ask for; unchanged if that one is wild."""
    affine = config.model_copy(update={"parametrization": "affine"})
    found = descend(rois, images, affine, grids=grids, start=start)
    assert isinstance(found.family, Affine)
    better = start @ found.family.world_map(found.coefficients)
    return better if is_sane(better, pair.prealignment) else start


def likeness(
    pair: Pair, starts: Mapping[str, np.ndarray], grid: Grid, *, kind: str, device: torch.device
) -> dict[str, float]:
    """Return how alike each world map makes the images on `grid`, a coarse one; zero is unrelated.

    `kind` is the similarity of `promptreg.fit_losses.image_loss`. It counts by the share of the grid that a
    map sends into the moving field of view: a map that looks past what is unlike must not win by that.
    """
    images = image_layers(pair, grid, device)

    def alike(start: np.ndarray) -> float:
        inside = images.overlap(start)
        if not inside.any():
            return 0.0
        loss = image_loss(images.moved(start)[0], images.fixed[0], inside, kind=kind)
        return -float(loss * inside.float().mean())

    return {name: alike(start) for name, start in starts.items()}
