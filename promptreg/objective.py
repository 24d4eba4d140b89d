"""The objective of Eq. 1: how far a prompt's region on the fixed image is from the moving region.

E(Z) = ‖S(G^y(Z)) - S(G^x)‖² over all cells of the fixed features, computed as the quadratic form
(Ĝ^y - Ĝ^x)ᵀ M (Ĝ^y - Ĝ^x) with M from `prototype.gram`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from promptreg.geometry import index_to_world, world_to_index
from promptreg.models.base import PromptableModel
from promptreg.prototype import cell_weights, gram, prototype
from promptreg.types import Embedding, Grid

COSINE_NOISE = 1e-6
"""A fall of the cosine by less than this is not a fall: single precision resolves no more."""


@dataclass(frozen=True, eq=False)
class Iterate:
    """B prompts and what they segment.

    Attributes:
        points: (B, P, ndim) world.
        probabilities: (B, *mask_grid.shape) of the frozen candidate.
        prototypes: (B, C), G^y.
        residual: (B,) E, the sum over cells of squared similarity differences.
        similarity: (B,) cosine of G^y and G^x.
    """

    points: Tensor
    probabilities: Tensor
    prototypes: Tensor
    residual: Tensor
    similarity: Tensor

    def rows(self, index: Tensor) -> Iterate:
        """Return the prompts `index` (b,), which may repeat."""
        return Iterate(*(getattr(self, f.name)[index] for f in fields(self)))

    def put(self, index: Tensor, other: Iterate) -> Iterate:
        """Return a copy whose prompts `index` (b,) are those of `other`."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Iterate(*(mine.index_copy(0, index, theirs) for mine, theirs in pairs))


@dataclass(frozen=True, eq=False)
class Objective:
    """E of B prompts on one embedding, with the candidate mask of each prompt frozen.

    Attributes:
        features: (C, *cells), at least single precision.
        gram: (C, C), M.
        target: (B, C) unit prototypes of the moving regions.
        labels: (B, P) of the points.
        candidate: (B,) index of the mask that is used.
    """

    model: PromptableModel
    embedding: Embedding
    features: Tensor
    gram: Tensor
    target: Tensor
    labels: Tensor
    candidate: Tensor

    @classmethod
    def of(cls, model: PromptableModel, embedding: Embedding, target: Tensor, labels: Tensor) -> Objective:
        """Build the objective for `target` (B, C) prototypes, of any length, with candidate 0."""
        dtype = torch.promote_types(embedding.features.dtype, torch.float32)
        features = embedding.features.to(dtype)
        unit = normalize(target.to(features), dim=1)
        candidate = torch.zeros(len(target), dtype=torch.long, device=features.device)
        return cls(model, embedding, features, gram(features), unit, labels, candidate)

    def rows(self, index: Tensor) -> Objective:
        """Return the objective of the prompts `index` (b,), which may repeat."""
        return replace(
            self, target=self.target[index], labels=self.labels[index], candidate=self.candidate[index]
        )

    def decode(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Decode world points (B, P, ndim) to probabilities (B, M, *mask) and own scores (B, M)."""
        index = world_to_index(self.embedding.image_grid, points).to(self.features)
        candidates = self.model.decode(self.embedding, index, self.labels)
        return candidates.logits.to(self.features.dtype).sigmoid(), candidates.scores

    def probabilities(self, points: Tensor) -> Tensor:
        """Return the frozen candidates of world points (B, P, ndim), (B, *mask); differentiable."""
        masks, _ = self.decode(points)
        return masks[torch.arange(len(points), device=masks.device), self.candidate]

    def weights(self, probabilities: Tensor) -> Tensor:
        """Return the share of every feature cell that masks (B, *mask) cover, (B, *cells)."""
        return cell_weights(probabilities, self.embedding.mask_grid, self.embedding.feature_grid)

    def measure(self, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Return E and the cosine to the target of prototypes (B, C): both (B,)."""
        unit = normalize(prototypes, dim=1)
        error = unit - self.target
        return torch.einsum("bc,cd,bd->b", error, self.gram, error).clamp_min(0), (unit * self.target).sum(1)

    def evaluate(self, points: Tensor, probabilities: Tensor | None = None) -> Iterate:
        """Return the iterate at world points (B, P, ndim), decoding unless `probabilities` are known."""
        masks = self.probabilities(points) if probabilities is None else probabilities
        found = prototype(self.features, self.weights(masks))
        return Iterate(points, masks, found, *self.measure(found))


def improves(trial: Iterate, current: Iterate) -> Tensor:
    """Say for which prompts a step is accepted, (B,): E falls and the prototypes' cosine does not.

    The two can disagree, since M is not the identity.
    """
    return (trial.residual < current.residual) & (trial.similarity >= current.similarity - COSINE_NOISE)


def clamp_to_view(points: Tensor, grid: Grid) -> Tensor:
    """Move world points (..., ndim) beyond a grid's outermost cell centres back onto them."""
    index = world_to_index(grid, points)
    upper = torch.tensor([n - 1 for n in grid.shape], dtype=index.dtype, device=index.device)
    inside = (index >= 0) & (index <= upper)
    clamped = index_to_world(grid, index.clamp_min(0).minimum(upper))
    return torch.where(inside.all(-1, keepdim=True), points, clamped)
