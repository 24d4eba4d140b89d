"""Prompts of different lengths, sorted into groups of one length each."""

from __future__ import annotations

from collections.abc import Iterator

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
