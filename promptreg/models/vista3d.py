"""VISTA3D (He et al., arXiv:2406.05285) behind the contract, native in volumes; for CT.

The network is MONAI's. It sees cubes of 128 voxels of 1.5 mm (19 cm) with axes to the right, to the front
and up. Its authors cut a cube about every click; here a volume is covered by cubes that overlap by half,
encoded once, and a prompt is decoded in the cube whose middle is nearest to its first positive click. Of
its two branches, that for clicks is used, with the token that says "no class that you know".
"""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, conv3d

from promptreg import checkpoints
from promptreg.geometry import cell_indices, resample
from promptreg.models.base import check_prompts
from promptreg.models.cube_clicks import clicks_in_cubes
from promptreg.models.prompt_groups import decoded_in_groups
from promptreg.models.slicewise import OUTSIDE
from promptreg.models.volume_tiles import Tiling, canonical, respaced
from promptreg.types import Candidates, Embedding, Grid, Image

SIDE = 128

SPACING = {"mm": 1.5, "px": 1.0}
"""Side of a voxel that the encoder sees; a volume without spacing keeps its voxels."""

HOUNSFIELD = (-963.8247715525971, 1053.678477684517)
"""Intensities that become 0 and 1, as published; every volume is taken for CT."""

STRIDE = 2
"""Voxels along a feature cell; masks are averaged to the same cells."""


class Vista3d:
    """A frozen VISTA3D model of volumes.

    Clicks outside the prompt's cube are left out. One candidate; its score is 0, because the network
    predicts none. Masks jump where a click moves into another cube. A cube's features take 50 MB, those of
    a chest (27 cubes) 1.4 GB. The encoder runs in bfloat16 on CUDA, everything else in float32.
    """

    ndim: tuple[int, ...] = (3,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 2

    def __init__(self, net: Any, *, name: str, side: int = SIDE) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)
        self._side = side

    def embed(self, image: Image) -> Embedding:
        """Encode one volume of any number of channels, which are averaged."""
        if image.grid.ndim != 3:
            raise ValueError(f"{self.name} takes volumes, '{image.name}' has {image.grid.ndim} axes")
        tiling = self._tiling(image.grid)
        cubes = tiling.cut(prepared(image, tiling.volume))
        tiles = torch.cat([self._encode(cube[None, None]) for cube in cubes])
        cells, _ = tiling.cells(STRIDE, STRIDE)
        return Embedding(tiling.blended(tiles), cells, image.grid, cells, {"tiles": tiles})

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
        tile, points, labels = clicks_in_cubes(tiling, embedding.image_grid, points, labels)

        def masks(rows: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
            return avg_pool3d(click_logits(self.net.point_head, tiles[tile[rows]], clicks, signs), STRIDE)

        none = tiles.new_zeros(0, 1, *tiles.shape[2:])
        logits = decoded_in_groups(masks, points, labels, per_chunk=self.prompts_per_chunk, none=none)
        placed = tiling.placed(logits, tile, STRIDE, OUTSIDE)
        return Candidates(placed, placed.new_zeros(len(placed), 1))

    def _tiling(self, grid: Grid) -> Tiling:
        return Tiling.of(respaced(canonical(grid), SPACING[grid.unit]), self._side)

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if self.net.point_head.mask_tokens.weight.device != tensor.device:
            self.net.to(tensor.device)

    @torch.no_grad()
    def _encode(self, cubes: Tensor) -> Tensor:
        """Encode cubes (N, 1, side, side, side); (N, C, side / 2, side / 2, side / 2) float32."""
        self._follow(cubes)
        device = cubes.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            features, _ = self.net.image_encoder(cubes, with_point=True, with_label=False)
            return self.net.point_head.feat_downsample(features).float()


class Vista3d132(Vista3d):
    """VISTA3D with the weights of its paper, whose 132 classes are not used."""

    def __init__(self) -> None:
        super().__init__(released("vista3d"), name="vista3d")


def released(name: str) -> Any:
    """Build the network with the published weights "vista3d", every key matched.

    Both published files are read: that for MONAI from 1.4 on and that of the research code for 1.3.

    Raises:
        CheckpointUnavailable: the weights are not in the cache, or their licence is not accepted.
        ValueError: the file has other names or shapes; names them.
    """
    from monai.networks.nets import vista3d132

    state = present_keys(checkpoints.load_state_dict(name))
    net = vista3d132()
    checkpoints.load_strictly(net, state, name)
    return net


def present_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename what MONAI 1.3 called otherwise, and drop its heads for more masks, which it never called."""
    return {
        key.replace(".mlp.lin1.", ".mlp.linear1.").replace(".mlp.lin2.", ".mlp.linear2."): value
        for key, value in state.items()
        if not key.startswith("point_head.output_add_hypernetworks_mlps.")
    }


def prepared(image: Image, grid: Grid) -> Tensor:
    """Average the channels of a volume, read them on `grid` and bring `HOUNSFIELD` to [0, 1]."""
    grey = image.data.float().mean(0, keepdim=True)
    low, high = HOUNSFIELD
    return ((resample(grey, image.grid, grid, padding="border")[0] - low) / (high - low)).clamp(0, 1)


def click_logits(head: Any, cells: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    """Decode prompts that all have P clicks; MONAI's own `forward` gives the same, in more memory.

    Args:
        head: a `PointMappingSAM`.
        cells: (B, C, n, n, n) features of the cubes of 2n voxels.
        points: (B, P, 3) in voxels of the cubes.
        labels: (B, P) int, 1 or 0.

    Returns:
        (B, 1, 2n, 2n, 2n) logits.
    """
    shape = cells.shape[-3:]
    at = (cell_indices(shape, cells.device).to(cells) + 0.5) / shape[0]
    place = encoded(head, at).permute(3, 0, 1, 2)[None]
    found, keys = head.transformer(cells, place, click_tokens(head, points, labels, STRIDE * shape[0]))
    mixture = head.output_hypernetworks_mlps(found[:, 0])
    *first, last = head.output_upscaling
    fine = torch.nn.Sequential(*first)(keys.transpose(1, 2).reshape(cells.shape))
    # Mixing the kernels of the last convolution instead of its outputs makes one channel, not C.
    kernels = torch.einsum("bo,oixyz->bixyz", mixture, last.weight)
    stacked = fine.reshape(1, -1, *fine.shape[2:])
    logits = conv3d(stacked, kernels, mixture @ last.bias, padding=1, groups=len(cells))
    return logits.transpose(0, 1)


def click_tokens(head: Any, points: Tensor, labels: Tensor, side: int) -> Tensor:
    """Tokens (B, 1 + P + 1, C): the mask's, those of the clicks, and "no class that you know"."""
    signs = torch.stack([one.weight[0] for one in head.point_embeddings])
    clicks = encoded(head, (points + 0.5) / side) + signs[labels]
    mask, unknown = (one.weight.expand(len(points), 1, -1) for one in (head.mask_tokens, head.zeroshot_embed))
    return torch.cat([mask, clicks, unknown], 1)


def encoded(head: Any, position: Tensor) -> Tensor:
    """Encode positions (..., 3) in [0, 1] by sines and cosines: (..., C)."""
    phase = 2 * pi * (2 * position - 1) @ head.pe_layer.positional_encoding_gaussian_matrix
    return torch.cat([phase.sin(), phase.cos()], -1)
