"""Two-way attention between the tokens of many prompts and the cells of the image that they share.

As in Segment Anything (Kirillov et al., arXiv:2304.02643), with three changes: padded tokens are masked,
positions are relative, and cells exchange with their neighbours by a depthwise convolution.
"""

from __future__ import annotations

from torch import Tensor, nn

from promptreg.nets.layers import convolution
from promptreg.nets.prompts import N_WAVES


class Attention(nn.Module):
    """Attention of (N, T, D) to (N, S, D) with several heads."""

    def __init__(self, n_channels: int, *, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.out = (nn.Linear(n_channels, n_channels) for _ in range(4))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, real: Tensor | None = None) -> Tensor:
        """Attend; `real` (N, S) bool marks what may be attended to."""
        q, k, v = (self._heads(x) for x in (self.query(query), self.key(key), self.value(value)))
        # Keys come first in the logits: many cells attend to few tokens, and a softmax along a short last
        # axis takes several times as long.
        logits = k @ (q * q.shape[-1] ** -0.5).mT
        if real is not None:
            logits = logits.masked_fill(~real[:, None, :, None], -1e4)
        return self.out((logits.softmax(-2).mT @ v).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class TwoWay(nn.Module):
    """Tokens attend to each other and to the cells, cells to the tokens and to their neighbours."""

    def __init__(self, n_channels: int, *, n_heads: int) -> None:
        super().__init__()
        self.among = Attention(n_channels, n_heads=n_heads)
        self.to_cells = Attention(n_channels, n_heads=n_heads)
        self.to_tokens = Attention(n_channels, n_heads=n_heads)
        self.mlp = nn.Sequential(
            nn.Linear(n_channels, 4 * n_channels), nn.ReLU(), nn.Linear(4 * n_channels, n_channels)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(n_channels) for _ in range(4))
        self.neighbours = convolution(n_channels, n_channels, 5, groups=n_channels)
        self.mix = nn.Sequential(
            nn.LayerNorm(n_channels),
            nn.Linear(n_channels, 2 * n_channels),
            nn.ReLU(),
            nn.Linear(2 * n_channels, n_channels),
        )

    def forward(self, tokens: Tensor, cells: Tensor, place: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens (N, T, D) and cells (N, H, W, D); `place` (N, H, W, D) codes where cells lie."""
        height, width = cells.shape[1:3]
        tokens = self.norms[0](tokens + self.among(tokens, tokens, tokens, real))
        flat, placed = cells.flatten(1, 2), (cells + place).flatten(1, 2)
        tokens = self.norms[1](tokens + self.to_cells(tokens, placed, flat))
        tokens = self.norms[2](tokens + self.mlp(tokens))
        cells = self.norms[3](flat + self.to_tokens(placed, tokens, tokens, real)).unflatten(
            1, (height, width)
        )
        local = self.neighbours(cells.movedim(3, 1)).movedim(1, 3)
        return tokens, cells + self.mix(local)


class Places(nn.Module):
    """The position code of cells, from those of their rows and columns."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.of_row, self.of_column = (nn.Linear(2 * N_WAVES, n_channels) for _ in range(2))

    def forward(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(N, H, 2 N_WAVES) and (N, W, 2 N_WAVES) to (N, H, W, D)."""
        return self.of_row(rows)[:, :, None] + self.of_column(columns)[:, None]
