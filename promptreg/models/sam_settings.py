"""What members of the Segment Anything family differ in: how an image gets in, and which masks come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from promptreg.geometry import resized
from promptreg.models.colours import resize_8bit
from promptreg.types import Grid

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Inputs:
    """How an image gets into an encoder.

    Attributes:
        transform: brings colours (N, 3, Y, X) in [0, 255] to a shape, and to the values that the encoder
            was trained on, (N, 3, *shape).
        keeps_aspect: the longest side becomes the encoder's and the rest is padding; otherwise either axis
            is stretched to the encoder's side.
    """

    transform: Callable[[Tensor, tuple[int, ...]], Tensor]
    keeps_aspect: bool

    def grid(self, image: Grid, side: int) -> Grid:
        """The grid of the resized image, before padding; sides rounded as the family rounds them."""
        if not self.keeps_aspect:
            return resized(image, [side] * image.ndim)
        scale = side / max(image.shape)
        return resized(image, [max(int(n * scale + 0.5), 1) for n in image.shape])


@dataclass(frozen=True)
class Offer:
    """Which of the four masks are candidates: after one click, and after several.

    Mask 0 is the one for unambiguous prompts, masks 1 to 3 are the whole, a part and a part of that.
    Where the head that predicts each mask's IoU is untrained, `scored` is false and all scores are zero.
    """

    one_click: slice
    several: slice
    scored: bool = True

    def masks(self, n_points: int) -> slice:
        """Return the candidates of a prompt of `n_points`."""
        return self.one_click if n_points == 1 else self.several


AS_PROMPTED = Offer(one_click=slice(1, 4), several=slice(0, 1))
"""Three masks for an ambiguous click and one for more points, as the authors of SAM advise."""

ALWAYS_THREE = Offer(one_click=slice(1, 4), several=slice(1, 4))
"""For models that were trained on the best of three masks throughout."""

FIRST_ALONE = Offer(one_click=slice(0, 1), several=slice(0, 1), scored=False)
"""For models that were trained on mask 0 without its score."""


def normalized(colours: Tensor) -> Tensor:
    """Subtract the mean colour of (N, 3, Y, X) in [0, 255] and divide by the standard deviation."""
    mean, std = (colours.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (colours - mean) / std


def _as_published(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    return normalized(resize_8bit(colours, shape))


LONGEST_SIDE = Inputs(_as_published, keeps_aspect=True)
"""The preprocessing of SAM itself."""
