"""The contract of a promptable segmentation model; an adapter is one file and one registry row."""

from __future__ import annotations

from collections.abc import Sequence
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


def embed_all(model: PromptableModel, images: Sequence[Image]) -> list[Embedding]:
    """Encode several images: together where the model offers an `embed_all` of its own, else one by one."""
    together = getattr(model, "embed_all", None)
    if together is None or not images:
        return [model.embed(image) for image in images]
    found: list[Embedding] = together(images)
    return found


def compile_encoder(model: object) -> bool:
    """Have `torch.compile` make the image encoder faster at its next use; False for a model without one.

    A model takes part by a method of this name.
    """
    own = getattr(model, "compile_encoder", None)
    return False if own is None else own()


def carry_over(
    model: PromptableModel,
    moving: Embedding,
    fixed: Embedding,
    points: Tensor,
    labels: Tensor,
    *,
    starts: Tensor,
) -> Tensor:
    """Find what prompts segment on one image on another, as if that came next in a video.

    A model takes part by a method of this name; there is a ValueError for one without.

    Args:
        points, labels: prompts (B, P, ndim) and (B, P) in index coordinates of the moving image.
        starts: (B, ndim) where to begin, in index coordinates of the fixed image.

    Returns:
        (B, *fixed.mask_grid.shape) logits.
    """
    own = getattr(model, "carry_over", None)
    if own is None:
        raise ValueError(
            f"search.method=video needs a model that follows regions from frame to frame, as medsam2 does; "
            f"'{model.name}' does not: use search.method=prompts"
        )
    found: Tensor = own(moving, fixed, points, labels, starts=starts)
    return found


def check_prompts(points: Tensor, labels: Tensor, *, ndim: int, negative: bool = True) -> None:
    """Raise ValueError unless `points` (B, P, ndim) and `labels` (B, P) are prompts that can be decoded.

    `negative` says whether the model understands label 0.
    """
    if points.ndim != 3 or points.shape[-1] != ndim or labels.shape != points.shape[:-1]:
        msg = (
            f"prompts need points (B, P, {ndim}) and labels (B, P); "
            f"got {tuple(points.shape)} and {tuple(labels.shape)}"
        )
        raise ValueError(msg)
    if points.shape[1] == 0:
        raise ValueError("empty prompt: give at least one positive point")
    unknown = sorted(set(labels.unique().tolist()) - {-1, 0, 1})
    if unknown:
        raise ValueError(f"unknown point labels {unknown}: use 1 positive, 0 negative, -1 padding")
    if not (labels == 1).any(dim=1).all():
        rows = (~(labels == 1).any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"prompts {rows} have no positive point: label at least one point 1")
    if not negative and (labels == 0).any():
        raise ValueError("this model does not understand negative points (label 0): use positive points only")
