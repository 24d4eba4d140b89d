"""Which slices of a volume are worth encoding."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.types import Image


def standing_for(image: Image, axis: int) -> Tensor:
    """Return (n_slices,) int64: the slice across `axis` whose encoding stands for each.

    Flat slices of one intensity, as padding leaves them beyond the body, have one encoding. Slices of
    noise are not skipped: the features would change there wherever the body ends elsewhere.
    """
    slices = image.data.movedim(1 + axis, 0).flatten(2)
    lowest, highest = slices.amin(2), slices.amax(2)
    is_flat = (lowest == highest).all(1)
    alike = is_flat[:, None] & is_flat & (lowest[:, None] == lowest).all(2)
    every = torch.arange(len(slices), device=slices.device)
    return torch.where(is_flat, alike.long().argmax(1), every)
