"""MedSAM (Ma et al., Segment Anything in Medical Images, Nature Communications 2024) behind the contract.

It is SAM with ViT-B, trained further on medical images, with one box as the prompt and with one mask. Its
images are squares, stretched by cubic splines, at 8 bits, divided by 255; no mean is subtracted. The
published arrays spread every slice over the full range by itself, at last; here a volume is spread as a
whole, at first, so that its slices stay comparable and an empty one stays dark.

It never saw a point in training. `MedSamPoint` gives it points all the same, as the paper's row does;
`MedSamBox` makes of every click the box that the model knows, and takes positive clicks alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptreg.models.click_boxes import box_of_clicks
from promptreg.models.colours import to_colours
from promptreg.models.sam import SegmentAnything
from promptreg.models.sam_parts import vit_b, with_weights
from promptreg.models.sam_settings import FIRST_ALONE, Inputs
from promptreg.models.slicewise import Slicewise

COLUMNS = 512
"""How many columns of a resizing matrix are made at a time."""


def spread(colours: Tensor) -> Tensor:
    """Spread an image or volume (3, *spatial) over [0, 255] as a whole; a uniform one becomes zero."""
    low, high = colours.amin(), colours.amax()
    return (colours - low) / (high - low).clamp_min(1e-8) * 255


def spline_square(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Stretch (N, 3, Y, X) in [0, 255] to `shape`, to [0, 1]; 8 bits before and after, as in training."""
    levels = colours.floor()
    rows, columns = (_spline(old, new).to(levels) for old, new in zip(levels.shape[-2:], shape, strict=True))
    stretched = rows @ levels @ columns.T
    low, high = levels.amin((1, 2, 3), keepdim=True), levels.amax((1, 2, 3), keepdim=True)
    # Whole levels must survive the rounding errors of the products.
    return (stretched.clamp(low, high) + 1e-3).floor() / 255


@lru_cache(maxsize=4)
def _spline(old: int, new: int) -> Tensor:
    """The matrix (new, old) float32 by which `skimage.transform.resize` resizes one axis of an image.

    Cubic splines with antialiasing are linear and act on either axis alone, so that the columns of the
    identity show all of them; some at a time, for the sake of memory.
    """
    from skimage.transform import resize

    parts = []
    for first in range(0, old, COLUMNS):
        some = np.eye(old, min(COLUMNS, old - first), -first)
        parts.append(resize(some, (new, some.shape[1]), order=3, anti_aliasing=True, clip=False))
    return torch.from_numpy(np.concatenate(parts, axis=1)).float()


INPUTS = Inputs(spline_square, keeps_aspect=False)


class PlanarMedSam(SegmentAnything):
    """MedSAM on planar images, given points."""

    def __init__(self, sam: Any, *, name: str = "medsam_point") -> None:
        super().__init__(sam, name=name, inputs=INPUTS, offer=FIRST_ALONE)

    def prepare(self, data: Tensor) -> Tensor:
        """Bring an image or volume (C, *spatial) to colours (3, *spatial) that span [0, 255]."""
        return spread(to_colours(data))


class PlanarMedSamBox(PlanarMedSam):
    """MedSAM on planar images, given the box of the clicks instead of the clicks."""

    negative_points = False

    def _prompt_tokens(self, features: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        """Tokens (B, 2, C) of the two corners of each prompt's box."""
        cells = features.shape[1:]
        stride = self._side / cells[0]
        boxes = box_of_clicks(features, (points + 0.5) / stride - 0.5)
        corners = ((boxes + 0.5) * stride - 0.5).clamp(0, self._side - 1)
        kinds = [self.sam.prompt_encoder.point_embeddings[i].weight for i in (2, 3)]
        return self._position(corners) + torch.cat(kinds)


class MedSamPoint(Slicewise):
    """MedSAM with its published weights, prompted with points; volumes slice by slice."""

    def __init__(self) -> None:
        sam = with_weights(vit_b(), "medsam")
        super().__init__(PlanarMedSam(sam))


class MedSamBox(Slicewise):
    """MedSAM with its published weights, prompted with boxes made of points; volumes slice by slice."""

    def __init__(self) -> None:
        sam = with_weights(vit_b(), "medsam")
        super().__init__(PlanarMedSamBox(sam, name="medsam_box"))
