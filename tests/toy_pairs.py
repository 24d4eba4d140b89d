"""Inverse problems with known solutions on the toy model."""

from __future__ import annotations

import torch
from toy_model import ToyModel

from promptreg.geometry import default_affine, index_to_world
from promptreg.objective import Objective
from promptreg.types import Embedding, Grid, Image


def smooth_scene(*shape: int, seed: int = 0) -> torch.Tensor:
    """Smooth random colours (3, *shape) in double precision, periodic.

    One channel alone would leave a prompt free to slide along its level set.
    """
    data = torch.rand(3, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for _ in range(shape[0] // 2):
        for axis in range(1, data.ndim):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return data


def embed(model: ToyModel, data: torch.Tensor, spacing: list[float] | None = None) -> Embedding:
    """Embed `data` (C, *shape) on an axis-aligned grid."""
    return model.embed(Image(data, Grid(tuple(data.shape[1:]), default_affine(data.ndim - 1, spacing))))


def toy_pair(
    ndim: int, n_prompts: int, *, n_points: int = 1, spread: float = 0.8
) -> tuple[Objective, torch.Tensor, torch.Tensor]:
    """An objective with a known solution, the solution, and starts within `spread` / 2 cells on each axis."""
    n = 24 if ndim == 2 else 10
    model = ToyModel(ndim, radius=4.0)
    embedding = embed(model, smooth_scene(*[n] * ndim), [2.0, 1.5, 1.0][:ndim])
    generator = torch.Generator().manual_seed(1)
    index = n / 4 + torch.rand(n_prompts, n_points, ndim, generator=generator, dtype=torch.float64) * n / 2
    truth = index_to_world(embedding.image_grid, index)
    labels = torch.ones(n_prompts, n_points, dtype=torch.long)
    unknown = torch.zeros(n_prompts, model.channels)
    target = Objective.of(model, embedding, unknown, labels).evaluate(truth).prototypes
    offset = (torch.rand(index.shape, generator=generator, dtype=torch.float64) - 0.5) * spread
    return (
        Objective.of(model, embedding, target, labels),
        truth,
        index_to_world(embedding.image_grid, index + offset),
    )
