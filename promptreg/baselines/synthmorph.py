"""SynthMorph's idea with weights of this package: a small network trained on synthetic images alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch import nn

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned import canonical, predicted
from promptreg.baselines.learned_file import read_network, stated
from promptreg.baselines.working import both_images, common_shape, working_grid
from promptreg.checkpoints import shipped_file
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.nets.registration.recipes import MULTIPLE
from promptreg.nets.weightfile import check_record
from promptreg.types import Ddf, Pair

WEIGHTS = shipped_file("synthmorph")


class SynthMorph:
    """One pass over a planar pair on a working grid as coarse as the training images."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the network's field and then the pre-alignment as one canonical field."""
        del workdir
        grid = pair.fixed.grid
        net, cells = loaded(grid.ndim)
        working = working_grid(grid, cells, common_shape([grid], cells, MULTIPLE))
        moving, fixed = both_images(pair, working)
        return canonical(predicted(net.to(choose_device(settings.device)), moving, fixed), working, pair)


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
