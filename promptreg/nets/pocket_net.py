"""The network `pocket`: encode an image once, decode masks for many prompts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from promptreg.nets.decoder import Decoder
from promptreg.nets.encoder import Architecture, Encoded, Encoder
from promptreg.nets.prompts import PromptEncoder

MULTIPLE = 16
"""Sides of an input are multiples of this."""


class PocketNet(nn.Module):
    """Image encoder, prompt encoder and mask decoder."""

    def __init__(self, sizes: Architecture | None = None) -> None:
        super().__init__()
        self.sizes = sizes or Architecture()
        self.encoder = Encoder(self.sizes)
        self.prompts = PromptEncoder(self.sizes)
        self.decoder = Decoder(self.sizes)

    def encode(self, images: Tensor) -> Encoded:
        """Encode images (B, 3, H, W) in [0, 1] whose sides are multiples of 16."""
        return self.encoder(images)

    def decode(self, encoded: Encoded, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Decode K prompts of P points on each image.

        `points` (B, K, P, 2) y, x in pixels of the input (integers at centres), `labels` (B, K, P)
        1 positive, 0 negative, -1 padding. Returns logits (B, K, 4, H/2, W/2) and predicted IoUs
        (B, K, 4): first the mask for several clicks, then the three meanings of one click.
        """
        return self.decoder(encoded, self.prompts(encoded, points, labels))

    def forward(self, images: Tensor, points: Tensor, labels: Tensor) -> tuple[Encoded, Tensor, Tensor]:
        """Encode and decode in one go, as training does."""
        encoded = self.encode(images)
        return encoded, *self.decode(encoded, points, labels)


def seeded(seed: int, sizes: Architecture | None = None) -> PocketNet:
    """Build the network with the initial weights of a seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PocketNet(sizes)
