"""Features of two images along the directions that both vary in.

After DINO-Reg (Song et al., MICCAI 2024): the principal components that both images share stand for the
features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from promptreg.types import Embedding

COMPONENTS = 24
"""Principal components that are kept, as published."""
LENGTH = 1.5
"""Length of a feature: unrelated places then cost 2.2 as a mean, as by MIND-SSC, which the penalty fits."""


def shared_components(
    fixed: Embedding, moving: Embedding, *, components: int = COMPONENTS
) -> tuple[Tensor, Tensor]:
    """Return both images' features (c, *cells) along the main directions of all their body cells.

    Features are centred over each image's own body, so that a difference between scanners cancels, and have
    the same length everywhere, but for the background, where they are zero.
    """
    centred = [_centred(one) for one in (fixed, moving)]
    together = torch.cat([one[:, _body(e)] for one, e in zip(centred, (fixed, moving), strict=True)], dim=1)
    values, vectors = torch.linalg.eigh(together.double() @ together.double().T)
    directions = vectors[:, values.argsort(descending=True)[:components]].T.to(together)
    kept = [torch.tensordot(directions, one, dims=1) for one in centred]
    unit = [LENGTH * normalize(one, dim=0) * _body(e) for one, e in zip(kept, (fixed, moving), strict=True)]
    return unit[0], unit[1]


def _centred(embedding: Embedding) -> Tensor:
    """Features (C, *cells) less their mean over the body."""
    features = embedding.features.float()
    mean = features[:, _body(embedding)].mean(1)
    return features - mean.view(-1, *[1] * embedding.feature_grid.ndim)


def _body(embedding: Embedding) -> Tensor:
    """(*cells) bool: the body, as far as the model tells; everything otherwise."""
    shape = embedding.feature_grid.shape
    body = embedding.extras.get("body")
    everything = torch.ones(shape, dtype=torch.bool, device=embedding.features.device)
    return everything if body is None or not bool(body.any()) else body.bool()
