"""Labelled images as stacks of slices, and draws from them: a slab of neighbouring slices with regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from promptreg.models.slice_grids import plane_of, slicing_axis
from promptreg.types import Grid, Image

LEAST_PIXELS = 12
"""Smaller pieces of a label are not clicked."""


@dataclass(frozen=True, eq=False)
class LabelledStack:
    """The slices of one labelled image, a planar image being one slice.

    Attributes:
        colours: (N, 3, Y, X) as the encoder wants them.
        labels: (N, Y, X) int16.
        grid: planar grid of the slices.
        name: that of the image.
    """

    colours: Tensor
    labels: Tensor
    grid: Grid
    name: str

    @cached_property
    def regions(self) -> Tensor:
        """(R, 3) int: slice, label and number of pixels of every piece that can be clicked."""
        found = []
        for number, labels in enumerate(self.labels):
            values, counts = labels[labels > 0].unique(return_counts=True)
            kept = counts >= LEAST_PIXELS
            found.append(torch.stack([torch.full_like(counts, number), values.long(), counts], dim=1)[kept])
        return torch.cat(found)


@dataclass(frozen=True, eq=False)
class Slab:
    """Neighbouring slices `first` to `last` (exclusive) of a stack, and regions in them.

    `numbers` (R,) are slices counted from the first one of the slab, `values` (R,) labels.
    """

    first: int
    last: int
    numbers: Tensor
    values: Tensor


def labelled_stack(image: Image, labels: np.ndarray, prepare: Callable[[Tensor], Tensor]) -> LabelledStack:
    """Cut an image and its label map (*image.grid.shape) into slices as the model does.

    Raises:
        ValueError: no label has a piece that is large enough to be clicked.
    """
    colours, values = prepare(image.data), torch.from_numpy(labels.astype(np.int16))
    if image.grid.ndim == 2:
        stack = LabelledStack(colours[None], values[None], image.grid, image.name)
    else:
        axis = slicing_axis(image.grid)
        grid = plane_of(image.grid, axis)
        stack = LabelledStack(colours.movedim(1 + axis, 0), values.movedim(axis, 0), grid, image.name)
    if len(stack.regions) == 0:
        raise ValueError(f"'{image.name}' has no label of {LEAST_PIXELS} pixels or more in a slice")
    return stack


def drawn_slab(stack: LabelledStack, depth: int, n_regions: int, generator: torch.Generator) -> Slab:
    """Draw a label, a slice that shows it, a slab around that slice, and regions in the slab.

    Labels are drawn alike, so that a small organ is as frequent as a large one; the drawn one is the first.
    """
    slices, values, _ = stack.regions.unbind(1)
    known = values.unique()
    label = known[_below(len(known), generator)]
    shown = (values == label).nonzero().flatten()
    chosen = int(shown[_below(len(shown), generator)])
    number, n_slices = int(slices[chosen]), len(stack.labels)
    first = min(max(number - _below(depth, generator), 0), max(n_slices - depth, 0))
    last = min(first + depth, n_slices)
    inside = ((slices >= first) & (slices < last)).nonzero().flatten()
    others = inside[inside != chosen]
    others = others[torch.randperm(len(others), generator=generator)][: n_regions - 1]
    rows = torch.cat([torch.tensor([chosen]), others])
    return Slab(first, last, slices[rows] - first, values[rows])


def largest_slabs(stack: LabelledStack, depth: int) -> list[Slab]:
    """For every label the slab about the slice that shows most of it, with that one region."""
    slices, values, counts = stack.regions.unbind(1)
    found = []
    for label in values.unique():
        number = int(slices[(counts * (values == label)).argmax()])
        first = min(max(number - depth // 2, 0), max(len(stack.labels) - depth, 0))
        last = min(first + depth, len(stack.labels))
        found.append(Slab(first, last, torch.tensor([number - first]), label[None]))
    return found


def region_masks(stack: LabelledStack, slab: Slab, number: int) -> Tensor:
    """Masks (R, Y, X) float of the slab's regions in its slice `number`, in order."""
    values = slab.values[slab.numbers == number]
    return (stack.labels[slab.first + number][None] == values[:, None, None]).float()


def _below(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))
