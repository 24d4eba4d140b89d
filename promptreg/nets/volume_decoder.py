"""The mask decoder of SAM-Med3D (Wang et al., arXiv:2310.15161), and the whole network.

Modules bear the names of the released weights. The transformer is that of Segment Anything, which asks
nothing of the arrangement of cells.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import TwoWayTransformer
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from promptreg.nets.volume_prompts import VolumePrompts
from promptreg.nets.volume_vit import ChannelNorm, VolumeSizes, VolumeViT

N_MASKS = 4
UPSCALING = 4
"""How many cells of a mask lie along an axis of a cell of the embedding."""


class VolumeDecoder(nn.Module):
    """Decode prompts into masks of 4 x 4 x 4 cells in a cell of the embedding.

    Of the four masks and their predicted IoUs that the weights offer, the first mask alone was ever trained.
    """

    def __init__(self, sizes: VolumeSizes) -> None:
        super().__init__()
        n = sizes.embedding
        self.transformer = TwoWayTransformer(depth=2, embedding_dim=n, num_heads=8, mlp_dim=2048)
        self.iou_token, self.mask_tokens = nn.Embedding(1, n), nn.Embedding(N_MASKS, n)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose3d(n, n // 4, 2, stride=2),
            ChannelNorm(n // 4),
            nn.GELU(),
            nn.ConvTranspose3d(n // 4, n // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(n, n, n // 8, 3) for _ in range(N_MASKS))
        self.iou_prediction_head = MLP(n, sizes.score_channels, N_MASKS, 3)

    def forward(self, cells: Tensor, places: Tensor, prompts: Tensor) -> Tensor:
        """Logits (B, 1, X, Y, Z) of cells (B, C, x, y, z), places (1, C, x, y, z) and tokens (B, T, C)."""
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], dim=1)
        attended, flat = self.transformer(cells.flatten(3), places.flatten(3), tokens)
        fine = self.output_upscaling(flat.mT.unflatten(2, cells.shape[2:]))
        weights = self.output_hypernetworks_mlps[0](attended[:, 1])
        return torch.einsum("bc,bcxyz->bxyz", weights, fine)[:, None]


class VolumeSam(nn.Module):
    """The three parts, as the released weights name them."""

    def __init__(self, sizes: VolumeSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or VolumeSizes()
        self.image_encoder = VolumeViT(self.sizes)
        self.prompt_encoder = VolumePrompts(self.sizes)
        self.mask_decoder = VolumeDecoder(self.sizes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prompt_encoder.pe_layer.device

    def masks(self, cells: Tensor, points: Tensor, labels: Tensor, former: Tensor) -> Tensor:
        """Logits (B, 1, *mask) of cells (B, C, *cells) and one click each, given former logits (B, 1, *mask).

        `points` (B, 1, 3) are in voxels of the cube, `labels` (B, 1) are 1 or 0; zeros are the first click's
        former logits.
        """
        image = cells + self.prompt_encoder.former(former)
        tokens = self.prompt_encoder.tokens(points, labels)
        return self.mask_decoder(image, self.prompt_encoder.places(), tokens)
