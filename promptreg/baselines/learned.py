"""Registration networks that are trained on the data set: one pass over a pair on the working grid."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned_file import read_network
from promptreg.baselines.working import both_images, working_grid
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.geometry import voxel_to_ddf
from promptreg.types import Ddf, Grid, Pair


class Learned:
    """A trained network; `weights` is its file."""

    def __init__(self, weights: str | Path | None = None) -> None:
        self._path = None if weights is None else Path(weights)
        self._nets: dict[int, tuple[nn.Module, tuple[int, ...], int]] = {}

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the network's field and then the pre-alignment as one canonical field."""
        del workdir
        net, shape, cells = self._network(pair.fixed.grid.ndim, settings.device)
        working = working_grid(pair.fixed.grid, cells, shape)
        moving, fixed = both_images(pair, working)
        return canonical(predicted(net, moving, fixed), working, pair)

    def _network(self, ndim: int, device: str) -> tuple[nn.Module, tuple[int, ...], int]:
        if ndim not in self._nets:
            if self._path is None:
                raise BaselineUnavailable(
                    "this method is trained on the target data, by the workflow or promptreg train-method"
                )
            net, about = read_network(self._path, ndim)
            self._nets[ndim] = net.to(choose_device(device)), tuple(about["shape"]), about["cells"]
        return self._nets[ndim]


def predicted(net: nn.Module, moving: Tensor, fixed: Tensor) -> Tensor:
    """Return the voxel-form field (ndim, *shape) of images (1, *shape), in single precision."""
    device = next(net.parameters()).device
    with torch.no_grad():
        return net(moving[None].to(device), fixed[None].to(device))[0].float().cpu()


def canonical(voxel: Tensor, working: Grid, pair: Pair) -> Ddf:
    """Compose a voxel-form field on the working grid and the pre-alignment.

    Raises:
        RuntimeError: it is not finite.
    """
    if not bool(voxel.isfinite().all()):
        raise RuntimeError("the network's field is not finite")
    return Ddf(
        voxel_to_ddf(voxel, working, pair.fixed.grid, then=pair.prealignment).displacement, pair.fixed.grid
    )
