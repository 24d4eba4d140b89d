"""Which slices of a volume are worth encoding."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.body import body_mask
from promptreg.types import Image


def standing_for(image: Image, axis: int) -> Tensor:
    """Return (n_slices,) int64: the slice across `axis` whose encoding stands for each.

    From the first to the last slice that the body reaches, and one beyond either end, each stands for itself;
    the empty slices further out look like the one beyond the end. Gaps within the body are kept: masks are
    carried through them.
    """
    n_slices = image.grid.shape[axis]
    reached = body_mask(image).movedim(axis, 0).flatten(1).any(1).nonzero().flatten()
    every = torch.arange(n_slices, device=reached.device)
    return every.clamp(reached.min() - 1, reached.max() + 1).clamp(0, n_slices - 1)
