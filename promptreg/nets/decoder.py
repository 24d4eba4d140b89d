"""The mask decoder: from prompts and the maps of the image to four masks and their predicted IoUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from promptreg.nets.attention import Attention, Places, TwoWay
from promptreg.nets.encoder import Architecture, Encoded, doubled
from promptreg.nets.prompts import N_FINE_MAPS, N_MAPS, Prompts

N_MASKS = 4
"""One mask for several clicks, then three for the meanings of one click."""


class Decoder(nn.Module):
    """Decode K prompts on each of B images at once."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        n, (fine2, fine4) = sizes.decoder, sizes.fine
        self.own = nn.Embedding(1 + N_MASKS, n)
        self.dense8 = nn.Sequential(nn.Linear(N_MAPS, fine4), nn.ReLU(), nn.Linear(fine4, n))
        self.places = Places(n)
        self.layers = nn.ModuleList(TwoWay(n, n_heads=sizes.heads) for _ in range(sizes.decoder_depth))
        self.last, self.last_norm = Attention(n, n_heads=sizes.heads), nn.LayerNorm(n)
        self.up4 = nn.ConvTranspose2d(n, fine4, 2, stride=2)
        self.dense4 = nn.Conv2d(N_MAPS, fine4, 1)
        self.blend4 = nn.Conv2d(fine4, fine4, 3, padding=1, padding_mode="replicate")
        self.dense2 = nn.Conv2d(N_FINE_MAPS, fine2, 1)
        self.up2 = nn.ConvTranspose2d(fine4, fine2, 2, stride=2)
        self.to_fine4, self.to_fine2 = mlp(n, n, fine4 + N_MAPS), mlp(n, n, fine2 + N_FINE_MAPS)
        self.to_iou = mlp(n, n, N_MASKS)

    def forward(self, encoded: Encoded, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Return logits (B, K, 4, H/2, W/2) and predicted IoUs (B, K, 4)."""
        tokens, cells = self._attend(encoded, prompts)
        logits = self._masks(encoded, prompts, tokens[:, 1 : 1 + N_MASKS], cells)
        iou = self.to_iou(tokens[:, 0]).sigmoid()
        return logits.float(), iou.float().unflatten(0, prompts.real.shape[:2])

    def _attend(self, encoded: Encoded, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Tokens (B K, 5 + P, D) and cells (B K, H/8, W/8, D) after all layers."""
        maps8 = functional.avg_pool2d(prompts.maps.flatten(0, 1), 2).movedim(1, 3)
        cells = plus(self.dense8(maps8), encoded.tokens.movedim(1, 3))
        place = self.places(prompts.rows.flatten(0, 1), prompts.columns.flatten(0, 1))
        own = self.own.weight.expand(len(cells), -1, -1)
        tokens = torch.cat([own, prompts.tokens.flatten(0, 1).to(own)], dim=1)
        real = functional.pad(prompts.real.flatten(0, 1), (1 + N_MASKS, 0), value=True)
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, place, real)
        flat = cells.flatten(1, 2)
        tokens = self.last_norm(tokens + self.last(tokens, flat + place.flatten(1, 2), flat))
        return tokens, cells

    def _masks(self, encoded: Encoded, prompts: Prompts, tokens: Tensor, cells: Tensor) -> Tensor:
        """Logits (B, K, 4, H/2, W/2): each mask token weighs the prompt's own maps at strides 4 and 2."""
        maps, fine = prompts.maps.flatten(0, 1), prompts.fine.flatten(0, 1)
        own4 = self.up4(cells.movedim(3, 1)) + self.dense4(maps)
        fine4 = functional.relu(self.blend4(functional.relu(plus(own4, encoded.skip4))))
        fine2 = functional.relu(plus(self.up2(fine4) + self.dense2(fine), encoded.skip2))
        coarse = weighed(self.to_fine4(tokens), fine4, maps)
        sharp = weighed(self.to_fine2(tokens), fine2, fine)
        return (doubled(coarse) + sharp).unflatten(0, prompts.real.shape[:2])


def plus(own: Tensor, shared: Tensor) -> Tensor:
    """Add what is one image's (B, ...) to what is each prompt's (B K, ...)."""
    n_images = len(shared)
    return (own.unflatten(0, (n_images, len(own) // n_images)) + shared[:, None]).flatten(0, 1)


def weighed(weights: Tensor, *maps: Tensor) -> Tensor:
    """Sums (N, M, H, W) of the channels of several maps (N, C, H, W) with weights (N, M, all C)."""
    parts = weights.split([one.shape[1] for one in maps], dim=2)
    first, *others = (
        torch.einsum("nmc,nchw->nmhw", part, one.to(part)) for part, one in zip(parts, maps, strict=True)
    )
    return sum(others, first)


def mlp(n_in: int, n_inner: int, n_out: int) -> nn.Sequential:
    """Build a perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(n_in, n_inner), nn.ReLU(), nn.Linear(n_inner, n_out))
