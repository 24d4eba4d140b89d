"""nnInteractive (Isensee et al., arXiv:2503.08373) behind the contract, native in volumes, no derivatives.

The network sees an image and the balls of clicks as channels of one input, in cubes of 192 voxels with axes
up, to the front and to the right, never resampled. Most cells of such a cube are far from any ball: features
for the search are those of its encoder where nothing is drawn. A mask takes one pass, or several as it zooms
out, for every click; what is drawn does not follow the click smoothly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg import checkpoints
from promptreg.geometry import antialiased, apply_affine, limited, resample
from promptreg.models.base import check_prompts
from promptreg.models.cube_clicks import first_positive_first
from promptreg.models.drawn_clicks import segmented
from promptreg.models.segvol import upright
from promptreg.models.volume_tiles import Tiling
from promptreg.nets.residual_unet import ResidualUNet, without_copies
from promptreg.types import Candidates, Embedding, Grid, Image

SIDE = 192

LEVEL = 2
"""The stage of the encoder whose features are taken; a cell of it is 2**LEVEL voxels wide."""

MASK_CELLS = 128
"""Masks are averaged to nearly cubic cells, at most so many along an axis."""

BOXES, SCRIBBLES = 2, 2
"""Channels of prompts that are never drawn: before those of clicks and after them."""


class NnInteractive:
    """A frozen nnInteractive model of volumes.

    Clicks are given one after another, the first positive one first. One candidate; its score is 0, because
    the network predicts none. Its authors look again at the found region in fine voxels once they have zoomed
    out; here the outline stays as coarse as it was seen. The network runs in bfloat16 on CUDA, everything
    else in float32.
    """

    ndim: tuple[int, ...] = (3,)
    differentiable = False
    negative_points = True

    def __init__(self, net: ResidualUNet, *, name: str, side: int = SIDE) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)
        self._side = side

    @torch.no_grad()
    def embed(self, image: Image) -> Embedding:
        """Encode one volume of any number of channels, which are averaged."""
        if image.grid.ndim != 3:
            raise ValueError(f"{self.name} takes volumes, '{image.name}' has {image.grid.ndim} axes")
        grid = upright(image.grid)
        volume, stride = prepared(image, grid), 2**LEVEL
        tiling = Tiling.of(grid, self._side)
        tiles = torch.stack([self._features(cube) for cube in tiling.cut(volume)])
        cells, _ = tiling.cells(stride, stride)
        return Embedding(
            tiling.blended(tiles), cells, image.grid, limited(grid, MASK_CELLS), {"volume": volume}
        )

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.encoder.compile()
        return True

    @torch.no_grad()
    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts into one candidate each."""
        check_prompts(points, labels, ndim=3)
        volume, grid = embedding.extras["volume"], upright(embedding.image_grid)
        points, labels = first_positive_first(points.float(), labels)
        found = [volume.new_zeros(0, *embedding.mask_grid.shape)]
        for clicks, signs in zip(in_voxels(points, embedding.image_grid, grid), labels, strict=True):
            kept = signs != -1
            voxels = [tuple(click) for click in clicks[kept].tolist()]
            logits = segmented(self._look, volume, voxels, signs[kept].tolist(), self._side)
            found.append(antialiased(logits[None], grid, embedding.mask_grid))
        masks = torch.cat(found)[:, None]
        return Candidates(masks, masks.new_zeros(len(masks), 1))

    def _features(self, cube: Tensor) -> Tensor:
        """Features (C, n, n, n) float32 of a cube (side, side, side) in which nothing is drawn."""
        self._follow(cube)
        with _half_on_cuda(cube):
            levels = self.net.encoder(channels(pad(cube[None], (0, 0) * 3 + (0, 3)))[None], LEVEL + 1)
        return levels[LEVEL][0].float()

    def _look(self, seen: Tensor) -> Tensor:
        """Logits (n, n, n) of a cube whose channels are image, former mask, positive and negative balls."""
        self._follow(seen)
        with _half_on_cuda(seen):
            background, region = self.net(channels(seen)[None])[0].float()
        return region - background

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device."""
        if self.net.device != tensor.device:
            self.net.to(tensor.device)


class NnInteractiveV1(NnInteractive):
    """nnInteractive with the weights of its paper."""

    def __init__(self) -> None:
        super().__init__(released("nninteractive"), name="nninteractive")


def released(name: str) -> ResidualUNet:
    """Build the network with the published weights "nninteractive", every key matched.

    Raises:
        CheckpointUnavailable: the weights are not in the cache, or their licence is not accepted.
        ValueError: the file has other names or shapes; names them.
    """
    state = without_copies(checkpoints.load_state_dict(name))
    net = ResidualUNet()
    checkpoints.load_strictly(net, state, name)
    return net


def prepared(image: Image, grid: Grid) -> Tensor:
    """Average the channels of a volume and order voxels as `grid` does; mean 0 and spread 1 where not empty.

    As published, these are those of the smallest box that holds every voxel that is not zero.
    """
    grey = image.data.float().mean(0, keepdim=True)
    volume = resample(grey, image.grid, grid, mode="nearest", padding="border")[0]
    box = tuple(_span(volume != 0, axis) for axis in range(3))
    spread = volume[box].std(correction=1) if volume[box].numel() > 1 else volume.new_zeros(())
    return (volume - volume[box].mean()) / torch.where(spread > 0, spread, 1.0)


def in_voxels(points: Tensor, image_grid: Grid, grid: Grid) -> Tensor:
    """Move points (B, P, 3) from index coordinates of an image to the nearest voxels of `grid`, as int."""
    at = apply_affine(np.linalg.inv(grid.affine) @ image_grid.affine, points).round().long()
    return at.clamp_min(0).minimum(torch.tensor(grid.shape, device=at.device) - 1)


def channels(seen: Tensor) -> Tensor:
    """The network's eight channels of image, former mask, positive and negative balls (4, n, n, n)."""
    boxes, scribbles = (seen.new_zeros(n, *seen.shape[1:]) for n in (BOXES, SCRIBBLES))
    return torch.cat([seen[:2], boxes, seen[2:], scribbles])


def _span(mask: Tensor, axis: int) -> slice:
    """From the first to the last place along an axis where a mask is set; everything if it is nowhere."""
    others = [one for one in range(mask.ndim) if one != axis]
    where = mask.any(others[1]).any(others[0]).nonzero().flatten()
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(None)


def _half_on_cuda(tensor: Tensor) -> torch.autocast:
    device = tensor.device.type
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")
