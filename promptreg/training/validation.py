"""How good the network is on a fixed set of synthetic pairs that training never draws."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from promptreg.nets.pocket_net import PocketNet
from promptreg.nets.sampling import read_at, to_cells
from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs
from promptreg.training.batch import Batch, make_batch, partners
from promptreg.training.clicks import simulated_clicks
from promptreg.training.config import TrainPocket
from promptreg.training.contrast import prototypes
from promptreg.training.losses import intersection_over_union

CHUNK = 4
"""Pairs that are measured at once."""

NEAR = 2.0
"""A point is found if its peak lies within so many cells of the embedding."""


def validation_set(config: TrainPocket, device: torch.device) -> list[Batch]:
    """Draw the fixed pairs with their regions and points."""
    shape = (config.side, config.side)
    starts = range(0, config.validation_pairs, CHUNK)
    return [
        make_batch(
            synth_pairs(
                min(CHUNK, config.validation_pairs - start),
                shape,
                seed=derive_seed(config.seed, "pocket", "validation", start),
                device=device,
            ),
            config.n_regions,
            _generator(config, start, device),
        )
        for start in starts
    ]


@torch.no_grad()
def validate(net: PocketNet, batches: list[Batch], config: TrainPocket) -> dict[str, float]:
    """Measure IoUs of one click (own best, best of three) and of several, and hit rates of the embedding.

    `proto_hit`: the prototype of a true region peaks inside the same region of the partner. `point_hit`: a
    point's feature peaks within two cells of its true place.
    """
    sums: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for number, batch in enumerate(batches):
        generator = _generator(config, number, batch.images.device)
        for name, values, valid in _measures(net, batch, generator):
            sums[name] = sums.get(name, torch.tensor(0.0)) + (values * valid).sum().cpu()
            weights[name] = weights.get(name, torch.tensor(0.0)) + valid.sum().cpu()
    return {name: (sums[name] / weights[name].clamp_min(1)).item() for name in sums}


def _measures(
    net: PocketNet, batch: Batch, generator: torch.Generator
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield measures by name: values and which of them count."""
    points, labels = simulated_clicks(batch.truth, 5, single_share=0.0, generator=generator)
    encoded = net.encode(batch.images)
    logits, scores = net.decode(encoded, points[:, :, :1], labels[:, :, :1])
    overlaps = intersection_over_union(logits, batch.truth[:, :, None].expand_as(logits))[..., 1:]
    yield "one_click", overlaps.gather(-1, scores[..., 1:].argmax(-1, keepdim=True))[..., 0], batch.valid
    yield "best_of_3", overlaps.amax(-1), batch.valid
    logits, _ = net.decode(encoded, points, labels)
    yield "several", intersection_over_union(logits[:, :, 0], batch.truth), batch.valid
    embedding = encoded.embedding.float()
    other = partners(embedding)
    protos = prototypes(embedding, batch.shares)
    peaks = torch.einsum("bre,behw->brhw", protos, other).flatten(2).argmax(-1, keepdim=True)
    inside = partners(batch.shares).flatten(2).gather(2, peaks)[..., 0]
    yield "proto_hit", (inside >= 0.5).float(), batch.valid
    found = _peaks(embedding, other, batch.points)
    distance = (found - to_cells(batch.targets, 4)).norm(dim=-1)
    yield "point_hit", (distance <= NEAR).float(), batch.matched


def _peaks(first: Tensor, second: Tensor, points: Tensor) -> Tensor:
    """Cells (B, N, 2) of the second embedding most like points (B, N, 2) of the first."""
    queries = read_at(first, to_cells(points, 4))
    flat = torch.einsum("bne,behw->bnhw", queries, second).flatten(2).argmax(-1)
    return torch.stack([flat // second.shape[-1], flat % second.shape[-1]], dim=-1).float()


def _generator(config: TrainPocket, number: int, device: torch.device) -> torch.Generator:
    seed = derive_seed(config.seed, "pocket", "validation clicks", number)
    return torch.Generator(device).manual_seed(seed)
