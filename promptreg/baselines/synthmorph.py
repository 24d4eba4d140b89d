"""SynthMorph's idea with weights of this package: a small network trained on synthetic images alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from torch import Tensor, nn

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned import canonical, predicted
from promptreg.baselines.learned_file import read_network, stated
from promptreg.baselines.planes import directions, predicted_by_planes
from promptreg.baselines.working import both_images, common_shape, working_grid
from promptreg.checkpoints import shipped_file
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.geometry import cell_indices, sample
from promptreg.nets.weightfile import check_record
from promptreg.types import Ddf, Pair

WEIGHTS = shipped_file("synthmorph")


MULTIPLE = 16
"""Sides of the working grid: the network halves them four times."""
PASSES = 3
"""Each pass registers what the last one left. In the plane, on scenes that the network was not trained on,
one raises the overlap of labels from 0.384 to 0.548, three to 0.605, five to 0.609, eight to 0.592."""

Prediction = Callable[[Tensor, Tensor], Tensor]
"""From a moving and a fixed image (1, *shape) to a voxel-form field (ndim, *shape)."""


class SynthMorph:
    """A few passes over a pair on a working grid as coarse as the training images.

    Volumes are read plane by plane, unless there is a network for volumes: in three directions, but for
    planes with fewer cells along a side than the network halves to one, which are margin for the most part.
    On computed slabs of ten slices axial planes alone overlap better (0.337 against 0.322), of twenty all
    three do (0.575 against 0.518).
    """

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the network's field and then the pre-alignment as one canonical field."""
        del workdir
        grid = pair.fixed.grid
        predict, cells = _prediction(grid.shape, settings.device)
        working = working_grid(grid, cells, common_shape([grid], cells, MULTIPLE))
        # An edge of the field of view in a margin, where the other image has none, would pass for motion.
        moving, fixed = both_images(pair, working, padding="border")
        return canonical(repeated(predict, moving, fixed), working, pair)


def repeated(predict: Prediction, moving: Tensor, fixed: Tensor, *, passes: int = PASSES) -> Tensor:
    """Return one voxel-form field (ndim, *shape) for several passes over images (1, *shape)."""
    cells = cell_indices(fixed.shape[1:])
    field = predict(moving, fixed)
    for _ in range(passes - 1):
        moved = sample(moving, cells + field.movedim(0, -1), padding="border")
        step = predict(moved, fixed)
        field = step + sample(field, cells + step.movedim(0, -1), padding="border")
    return field


def _prediction(shape: tuple[int, ...], device: str) -> tuple[Prediction, int]:
    """One pass over images of a shape, and how many cells the longest side of its working grid has."""
    if len(shape) in dimensions():
        net, cells = loaded(len(shape))
        return partial(predicted, net.to(choose_device(device))), cells
    net, cells = loaded(2)
    across = directions(shape, MULTIPLE)
    return partial(predicted_by_planes, net.to(choose_device(device)), across=across), cells


def dimensions(path: Path = WEIGHTS) -> list[int]:
    """Return the dimensions of images for which there is a network."""
    networks = stated(path)["networks"] if path.is_file() else {}
    return [ndim for ndim in (2, 3) if f"{ndim}d" in networks]


@cache
def loaded(ndim: int, path: Path = WEIGHTS) -> tuple[nn.Module, int]:
    """Read the network, and how many cells the longest side of its working grid has.

    Raises:
        BaselineUnavailable: the weights are absent, or not for images of `ndim` dimensions.
        ValueError: they are not those that the record beside them describes.
    """
    if not path.is_file():
        raise BaselineUnavailable(
            "no weights of synthmorph in this installation: promptreg train-synthmorph makes them"
        )
    check_record(path)
    if f"{ndim}d" not in stated(path)["networks"]:
        raise BaselineUnavailable(
            f"no network for {ndim}D images here: promptreg train-synthmorph --dimension {ndim} makes one"
        )
    net, about = read_network(path, ndim)
    return net, about["cells"]
