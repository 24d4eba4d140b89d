"""Prompts of different lengths, sorted into groups of one length each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def by_length(labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield prompts (B, P) of equal length, shortest first: their rows (b,) and their points' columns (b, n).

    Padding is left out, not decoded as "no point": a decoder would attend to it. No prompts at all are
    one group.
    """
    real = labels != -1
    lengths = real.sum(1)
    columns = (~real).long().argsort(dim=1, stable=True)
    for n_points in lengths.unique().tolist() or [labels.shape[1]]:
        rows = (lengths == n_points).nonzero().flatten()
        yield rows, columns[rows, :n_points]


def decoded_in_groups(
    decode: Callable[[Tensor, Tensor, Tensor], Tensor],
    points: Tensor,
    labels: Tensor,
    *,
    per_chunk: int,
    none: Tensor,
) -> Tensor:
    """Decode prompts a few of one length at a time, without padding; the results come in the prompts' order.

    Args:
        decode: what gives results (b, ...) for rows (b,), points (b, n, ndim) and labels (b, n).
        points, labels: prompts (B, P, ndim) and (B, P).
        per_chunk: how many prompts are decoded at once.
        none: (0, ...) the results of no prompts.
    """
    parts, order = [none], []
    for rows, columns in by_length(labels):
        for row, column in zip(rows.split(per_chunk), columns.split(per_chunk), strict=True):
            if len(row):
                at = points[row].gather(1, column[..., None].expand(-1, -1, points.shape[-1]))
                parts.append(decode(row, at, labels[row].gather(1, column)))
        order.append(rows)
    return torch.cat(parts)[torch.cat(order).argsort()]
