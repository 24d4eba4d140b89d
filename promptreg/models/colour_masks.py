"""GrabCut-type masks: foreground and background looks, re-estimated, with smooth boundaries.

As Rother, Kolmogorov and Blake (GrabCut, SIGGRAPH 2004), but with histograms over the image's own
vocabulary of looks in place of Gaussian mixtures, and mean-field updates in place of graph cuts: both are
plain tensor operations over all prompts and radii at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.types import Grid

N_WORDS = 32
LLOYD_STEPS = 10
RADII = (0.05, 0.1, 0.2)
REFITS = 4
SMOOTHING_STEPS = 3
SMOOTHING = 1.0
PRIOR_COUNT = 0.02
EVIDENCE_LIMIT = 3.0
CERTAIN = 8.0
PROMPTS_PER_CHUNK = 8
"""Prompts whose maps are made together: those of more leave the processor's cache."""


def vocabulary(appearance: Tensor, body: Tensor) -> Tensor:
    """Assign each cell of `appearance` (A, *spatial) to one of up to 32 looks; (*spatial) int64.

    K-means over the body, started at quantiles of the first channel: no random draw.
    """
    cells = appearance.flatten(1).T
    sample = cells[body.flatten()]
    order = sample[:, 0].argsort(stable=True)
    picks = torch.linspace(0, len(sample) - 1, N_WORDS, device=cells.device).round().long()
    words = sample[order[picks]]
    for _ in range(LLOYD_STEPS):
        assigned = _nearest(sample, words)
        counts = torch.bincount(assigned, minlength=N_WORDS)
        sums = torch.zeros_like(words).index_add_(0, assigned, sample)
        words = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], words)
    return _nearest(cells, words).view(appearance.shape[1:])


def _nearest(points: Tensor, words: Tensor) -> Tensor:
    """Return (N,) the index of the word (K, A) nearest to each point (N, A)."""
    return (words.square().sum(1) - 2 * points @ words.T).argmin(1)


def smoothness_weights(appearance: Tensor) -> list[Tensor]:
    """Return for each axis the Potts weights between neighbours, one cell shorter along that axis.

    exp(-|difference|^2 / 2 mean|difference|^2): one where the image is flat, small across an edge.
    """
    weights = []
    for axis in range(1, appearance.ndim):
        difference = appearance.diff(dim=axis).square().sum(0)
        mean = difference.mean() if difference.numel() else difference.new_ones(())
        weights.append(torch.exp(-difference / (2 * mean + 1e-6)))
    return weights


def colour_logits(words: Tensor, weights: list[Tensor], near: Tensor, clicks: Tensor, grid: Grid) -> Tensor:
    """Return the logits of one mask for each prompt and radius, (B, 3, *grid.shape).

    Args:
        words: (*grid.shape) int64, look of each cell (`vocabulary`).
        weights: Potts weights between neighbours (`smoothness_weights`).
        near: (B, *grid.shape) world distance to the nearest positive click.
        clicks: (B, *grid.shape) 1 at positive clicks, -1 at negative clicks, 0 elsewhere.
        grid: the mask grid.
    """
    parts = zip(near.split(PROMPTS_PER_CHUNK), clicks.split(PROMPTS_PER_CHUNK), strict=True)
    return torch.cat([_colour_logits(words, weights, *some, grid) for some in parts])


def _colour_logits(words: Tensor, weights: list[Tensor], near: Tensor, clicks: Tensor, grid: Grid) -> Tensor:
    """Return what `colour_logits` does, for a few prompts."""
    radii = near.new_tensor(RADII).view(1, -1, *[1] * grid.ndim) * grid.extent.max()
    relative = near[:, None] / radii
    window = (relative < 3).to(near)
    location = 1 - relative.square()
    certain = CERTAIN * clicks[:, None]
    foreground = torch.sigmoid(4 * (1 - relative))
    for _ in range(REFITS):
        evidence = _look_evidence(words, foreground, window, clicks[:, None])
        unary = evidence + location.clamp(-EVIDENCE_LIMIT * 2, 1) + certain
        foreground = torch.sigmoid(unary)
        for _ in range(SMOOTHING_STEPS):
            logits = unary + SMOOTHING * _neighbour_votes(2 * foreground - 1, weights)
            foreground = torch.sigmoid(logits)
    return logits


def _look_evidence(words: Tensor, foreground: Tensor, window: Tensor, clicks: Tensor) -> Tensor:
    """Log ratio of how often a cell's look occurs in the foreground and in the background of the window."""
    inside = foreground * window + (clicks > 0)
    outside = (1 - foreground) * window + (clicks < 0)
    ratio = _frequencies(words, inside).log() - _frequencies(words, outside).log()
    evidence = ratio.clamp(-EVIDENCE_LIMIT, EVIDENCE_LIMIT).flatten(0, 1).index_select(1, words.flatten())
    return evidence.view(*ratio.shape[:2], *words.shape)


def _frequencies(words: Tensor, mass: Tensor) -> Tensor:
    """Return (B, R, N_WORDS) the share of each look in `mass` (B, R, *spatial), never zero."""
    counts = mass.new_zeros(N_WORDS, mass.shape[0] * mass.shape[1])
    counts.index_add_(0, words.flatten(), mass.flatten(2).flatten(0, 1).T.contiguous())
    share = counts.T / counts.sum(0)[:, None].clamp_min(1e-6)
    return ((share + PRIOR_COUNT / N_WORDS) / (1 + PRIOR_COUNT)).view(*mass.shape[:2], N_WORDS)


def _neighbour_votes(values: Tensor, weights: list[Tensor]) -> Tensor:
    """Sum the neighbours' values (B, R, *spatial) by their Potts weights."""
    votes = torch.zeros_like(values)
    for axis, weight in enumerate(weights):
        dim, n = axis + 2, values.shape[axis + 2]
        if n > 1:
            votes.narrow(dim, 0, n - 1).addcmul_(values.narrow(dim, 1, n - 1), weight)
            votes.narrow(dim, 1, n - 1).addcmul_(values.narrow(dim, 0, n - 1), weight)
    return votes
