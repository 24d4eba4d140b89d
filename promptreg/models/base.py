"""The contract of a promptable segmentation model; an adapter is one file and one registry row."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from promptreg.types import Candidates, Embedding, Image


class PromptableModel(Protocol):
    """Encode an image once, decode masks for many point prompts.

    `differentiable` says whether `decode` carries derivatives with respect to the points, and
    `negative_points` whether label 0 is understood (a model without raises ValueError on one).
    `ndim` is the tuple of image dimensions that the model takes.
    """

    name: str
    ndim: tuple[int, ...]
    differentiable: bool
    negative_points: bool

    def embed(self, image: Image) -> Embedding:
        """Encode one image of any number of channels; deterministic."""
        ...

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts of P points each.

        `points` (B, P, ndim) float in index coordinates of `embedding.image_grid`, array order;
        `labels` (B, P) int: 1 positive, 0 negative, -1 padding. Raises ValueError on P = 0 or a
        prompt without a positive point. The number M of candidates depends on P and labels only.
        """
        ...
