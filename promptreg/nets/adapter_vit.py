"""Adapters in the image encoder of Segment Anything, for stacks of slices.

Read from Wu et al., Medical SAM Adapter (arXiv:2304.12620): a frozen vision transformer sees the slices of a
volume one by one, and each of its blocks also attends along depth with the same weights; three small
bottlenecks a block are all that is trained.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.utils.checkpoint import checkpoint

MLP_SCALE = 0.5
"""What the adapter beside the MLP counts."""


class Adapter(nn.Module):
    """A bottleneck of two linear layers; `skip` adds its input. The second layer begins at zero."""

    def __init__(self, width: int, hidden: int, *, skip: bool) -> None:
        super().__init__()
        self.down = nn.Linear(width, hidden)
        self.up = nn.Linear(hidden, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self._skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        change: Tensor = self.up(relu(self.down(x)))
        return x + change if self._skip else change


class BlockAdapters(nn.Module):
    """The adapters of one block: after the attention in a slice, after that along depth, beside the MLP."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.space = Adapter(width, hidden, skip=True)
        self.depth = Adapter(width, hidden, skip=False)
        self.mlp = Adapter(width, hidden, skip=False)


class AdapterViT(nn.Module):
    """An image encoder with adapters in every block; one call encodes D neighbouring slices of one volume.

    The encoder is taken as it is, its weights loaded: no tensor of it has another name than in the
    published files. As long as no adapter is trained it gives the very output of the encoder.
    """

    def __init__(self, encoder: ImageEncoderViT, *, seed: int = 0, ratio: float = 0.25) -> None:
        super().__init__()
        self.encoder = encoder
        self.img_size = encoder.img_size
        width = encoder.patch_embed.proj.out_channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            added = [BlockAdapters(width, int(width * ratio)) for _ in range(len(encoder.blocks))]
        self.adapters = nn.ModuleList(added)

    def forward(self, slices: Tensor) -> Tensor:
        """Encode D slices (D, 3, side, side), normalized and padded, to (D, C, cells, cells).

        In training the blocks are computed again for the gradient, so that a stack fits into memory.
        """
        x = self.encoder.patch_embed(slices)
        if self.encoder.pos_embed is not None:
            x = x + self.encoder.pos_embed
        again = torch.is_grad_enabled() and next(self.adapters.parameters()).requires_grad
        for block, adapters in zip(self.encoder.blocks, self.adapters, strict=True):
            assert isinstance(adapters, BlockAdapters)
            x = (
                checkpoint(adapted_block, block, adapters, x, use_reentrant=False)
                if again
                else adapted_block(block, adapters, x)
            )
        encoded: Tensor = self.encoder.neck(x.permute(0, 3, 1, 2))
        return encoded


def adapted_block(block: Block, adapters: BlockAdapters, x: Tensor) -> Tensor:
    """One block with its adapters on the tokens (D, Y, X, C) of D slices."""
    normed = block.norm1(x)
    space = adapters.space(attended_in_slices(block, normed))
    depth = adapters.depth(attended_along_depth(block.attn, normed))
    x = x + space + depth
    normed = block.norm2(x)
    changed: Tensor = x + block.mlp(normed) + MLP_SCALE * adapters.mlp(normed)
    return changed


def attended_in_slices(block: Block, x: Tensor) -> Tensor:
    """The block's own attention within each slice of (D, Y, X, C), in windows where it has windows."""
    if block.window_size == 0:
        return torch.cat([block.attn(one) for one in x.split(1)])
    windows, padded = window_partition(x, block.window_size)
    return window_unpartition(block.attn(windows), block.window_size, padded, x.shape[1:3])


def attended_along_depth(attention: nn.Module, x: Tensor) -> Tensor:
    """The same attention among the D tokens at each place of (D, Y, X, C).

    A column of tokens is offered as an image of D x 1 cells, so that the vertical relative positions say
    how far apart two slices are, stretched to D slices as the attention does with any other size.
    """
    columns = x.permute(1, 2, 0, 3).flatten(0, 1)[:, :, None]
    attended: Tensor = attention(columns)[:, :, 0]
    return attended.unflatten(0, x.shape[1:3]).permute(2, 0, 1, 3)
