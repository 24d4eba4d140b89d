"""The prompt encoder of SAM-Med3D (Wang et al., arXiv:2310.15161): clicks as tokens, a former mask as cells.

Modules bear the names of the released weights. Positions of clicks are coded as (i, j, k), those of cells as
(j, i, k): so the model was trained, and so it must be used.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor, nn

from promptreg.nets.volume_vit import ChannelNorm, VolumeSizes


class VolumePrompts(nn.Module):
    """Encode clicks in a cube and the mask that was decoded before them."""

    def __init__(self, sizes: VolumeSizes) -> None:
        super().__init__()
        n, n_mask = sizes.embedding, sizes.mask_channels
        self.side, self.cells = sizes.side, sizes.cells
        self.pe_layer = Waves(n // 3)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, n) for _ in range(2))
        self.not_a_point_embed = nn.Embedding(1, n)
        self.mask_downscaling = nn.Sequential(
            nn.Conv3d(1, n_mask // 4, 2, stride=2),
            ChannelNorm(n_mask // 4),
            nn.GELU(),
            nn.Conv3d(n_mask // 4, n_mask, 2, stride=2),
            ChannelNorm(n_mask),
            nn.GELU(),
            nn.Conv3d(n_mask, n, 1),
        )
        # Part of the released weights; the model was never trained without a mask.
        self.no_mask_embed = nn.Embedding(1, n)

    def tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Tokens (B, P + 1, C) of points (B, P, 3) i, j, k in voxels with labels (B, P) 1 or 0.

        The last token stands for "no box".
        """
        kinds = torch.cat(list(self.point_embeddings.parameters()))
        clicks = self.pe_layer((points + 0.5) / self.side) + kinds[labels]
        return torch.cat([clicks, self.not_a_point_embed.weight.expand(len(points), 1, -1)], dim=1)

    def former(self, logits: Tensor) -> Tensor:
        """What logits (B, 1, 4 cells, 4 cells, 4 cells) of a former mask add to the cells: (B, C, *cells)."""
        return self.mask_downscaling(logits)

    def places(self) -> Tensor:
        """The code of where cells lie, (1, C, cells, cells, cells)."""
        waves = self.pe_layer.positional_encoding_gaussian_matrix
        middle = (torch.arange(self.cells).to(waves) + 0.5) / self.cells
        i, j, k = torch.meshgrid(middle, middle, middle, indexing="ij")
        return self.pe_layer(torch.stack([j, i, k], dim=-1)).movedim(-1, 0)[None]


class Waves(nn.Module):
    """Positions as waves of random, fixed directions and lengths."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, n_waves: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(3, n_waves))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.positional_encoding_gaussian_matrix.device

    def forward(self, unit: Tensor) -> Tensor:
        """Code positions (..., 3) in [0, 1] as (..., 3 n_waves): sines, cosines, and the sines again."""
        phase = 2 * pi * (2 * unit - 1) @ self.positional_encoding_gaussian_matrix
        return torch.cat([phase.sin(), phase.cos(), phase.sin()], dim=-1)
