"""SAM-Med3D (Wang et al., arXiv:2310.15161) behind the contract, native in volumes.

The network is `promptreg.nets.volume_decoder.VolumeSam`. It sees cubes of 128 voxels of 1.5 mm (19 cm) with
axes to the right, to the front and up. Its authors cut the cube about the true object; here a volume is
covered by cubes that overlap by half, encoded once, and a prompt is decoded in the cube whose middle is
nearest to its first positive click: within a quarter of the side, but for clicks near the volume's faces.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from promptreg import checkpoints
from promptreg.geometry import resample
from promptreg.models.base import check_prompts
from promptreg.models.cube_clicks import clicks_in_cubes
from promptreg.models.slicewise import OUTSIDE
from promptreg.models.volume_tiles import Tiling, canonical, respaced
from promptreg.nets.volume_decoder import UPSCALING, VolumeSam
from promptreg.types import Candidates, Embedding, Grid, Image

SPACING = {"mm": 1.5, "px": 1.0}
"""Side of a voxel that the encoder sees; a volume without spacing keeps its voxels."""

AIR = -500.0
"""A volume with values below is taken for CT, in Hounsfield units."""

CT_RANGE = (-1000.0, 1000.0)


class SamMed3d:
    """A frozen SAM-Med3D model of volumes.

    Clicks are given one after another, each with the logits that the ones before it made, as the model was
    trained and is evaluated: the first positive one first, then the others in their order. Clicks outside the
    prompt's cube are left out. One candidate; its score is 0, because the head for scores was never trained.
    Masks jump where a click moves into another cube. The encoder runs in bfloat16 on CUDA, everything else in
    float32.
    """

    ndim: tuple[int, ...] = (3,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 8
    cubes_per_chunk: ClassVar[int] = 2

    def __init__(self, net: VolumeSam, *, name: str) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)

    def embed(self, image: Image) -> Embedding:
        """Encode one volume of any number of channels, which are averaged."""
        if image.grid.ndim != 3:
            raise ValueError(f"{self.name} takes volumes, '{image.name}' has {image.grid.ndim} axes")
        tiling, patch = self._tiling(image.grid), self.net.sizes.patch
        cubes = [standardized(cube) for cube in tiling.cut(prepared(image, tiling.volume))]
        chunks = torch.stack(cubes)[:, None].split(self.cubes_per_chunk)
        tiles = torch.cat([self._encode(chunk) for chunk in chunks])
        feature_grid, _ = tiling.cells(patch, patch)
        mask_grid, _ = tiling.cells(patch // UPSCALING, patch)
        return Embedding(tiling.blended(tiles), feature_grid, image.grid, mask_grid, {"tiles": tiles})

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.image_encoder.compile()
        return True

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts into one candidate each."""
        check_prompts(points, labels, ndim=3)
        tiles = embedding.extras["tiles"].float()
        self._follow(tiles)
        tiling = self._tiling(embedding.image_grid)
        tile, in_cube, labels = clicks_in_cubes(tiling, embedding.image_grid, points, labels)
        chunks = (part.split(self.prompts_per_chunk) for part in (tile, in_cube, labels))
        logits = [self._one_after_another(tiles[t], *clicks) for t, *clicks in zip(*chunks, strict=True)]
        placed = tiling.placed(torch.cat(logits), tile, self.net.sizes.patch, OUTSIDE)
        return Candidates(placed, placed.new_zeros(len(placed), 1))

    def _tiling(self, grid: Grid) -> Tiling:
        return Tiling.of(respaced(canonical(grid), SPACING[grid.unit]), self.net.sizes.side)

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if self.net.device != tensor.device:
            self.net.to(tensor.device)

    @torch.no_grad()
    def _encode(self, cubes: Tensor) -> Tensor:
        """Encode cubes (N, 1, side, side, side); (N, C, cells, cells, cells) float32."""
        self._follow(cubes)
        device = cubes.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return self.net.image_encoder(cubes).float()

    def _one_after_another(self, cells: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, 1, *mask) of cells (B, C, *cells) and points (B, P, 3) in the cube, labels (B, P)."""
        side = UPSCALING * cells.shape[-1]
        logits = cells.new_zeros(len(cells), 1, side, side, side)
        for step in range(points.shape[1]):
            rows = (labels[:, step] != -1).nonzero().flatten()
            if len(rows):
                click = points[rows, step : step + 1], labels[rows, step : step + 1]
                logits = logits.index_put((rows,), self.net.masks(cells[rows], *click, logits[rows]))
        return logits


class SamMed3dBase(SamMed3d):
    """SAM-Med3D with the weights of its paper."""

    def __init__(self) -> None:
        super().__init__(released("sam_med3d"), name="sam_med3d")


class SamMed3dTurbo(SamMed3d):
    """SAM-Med3D with the weights that its authors trained further."""

    def __init__(self) -> None:
        super().__init__(released("sam_med3d_turbo"), name="sam_med3d_turbo")


def released(name: str) -> VolumeSam:
    """Build the network with the published weights "sam_med3d" or "sam_med3d_turbo", every key matched.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: the file has other names or shapes; names them.
    """
    state = checkpoints.load_state_dict(name)
    net = VolumeSam()
    checkpoints.load_strictly(net, state, name)
    return net


def prepared(image: Image, grid: Grid) -> Tensor:
    """Average the channels of a volume, read them on `grid` and, where it is CT, clip them: (*grid.shape)."""
    grey = image.data.float().mean(0, keepdim=True)
    values = resample(grey, image.grid, grid, padding="border")[0]
    return values.clamp(*CT_RANGE) if grey.amin() < AIR else values


def standardized(cube: Tensor) -> Tensor:
    """Shift and scale a cube by the mean and spread of its values above zero, of all if there are not two."""
    above = cube[cube > 0]
    values = above if len(above) > 1 else cube
    spread = values.std()
    return (cube - values.mean()) / torch.where(spread > 0, spread, 1.0)
