"""Clicks drawn as balls in a volume, for networks that see image and prompts as channels of one input.

After the published inference of nnInteractive (Isensee et al., arXiv:2503.08373): a click is drawn, the
network looks at a cube of voxels about it together with the mask of before, and where the mask then differs
at the cube's faces, it looks again at a larger cube in coarser cells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import max_pool3d

from promptreg.models.zoom_cubes import Cube

RADIUS = 4
"""Of a click's ball, in voxels; it fades to its surface."""

DECAY = 0.98
"""How much of a click's intensity is left when the next one is drawn."""

ZOOM_STEP, ZOOM_MOST = 1.5, 4.0

OUTSIDE = -20.0
"""Logit of voxels that no look reached."""

Voxel = tuple[int, ...]
Look = Callable[[Tensor], Tensor]
"""From image, former mask, positive and negative balls (4, n, n, n) to logits (n, n, n)."""


def segmented(look: Look, volume: Tensor, clicks: list[Voxel], signs: list[int], side: int) -> Tensor:
    """Return logits (*spatial) of one prompt whose clicks, voxels of a volume, are drawn one after another.

    `signs` are 1 and 0. The network of `look` takes cubes of `side` voxels.
    """
    logits = torch.full_like(volume, OUTSIDE)
    balls = volume.new_zeros(2, *volume.shape)
    for click, sign in zip(clicks, signs, strict=True):
        balls *= DECAY
        draw(balls[1 - sign], click)
        seen = torch.cat([volume[None], (logits > 0).to(volume)[None], balls])
        cube, found = _zoomed_out(look, seen, click, side)
        cube.paste(logits, found)
    return logits


def draw(channel: Tensor, click: Voxel) -> None:
    """Draw a ball about a voxel of a channel (*spatial), where it exceeds what is there."""
    spans = [(max(c - RADIUS, 0), min(c + RADIUS + 1, n)) for c, n in zip(click, channel.shape, strict=True)]
    inner = tuple(slice(a - c + RADIUS, b - c + RADIUS) for (a, b), c in zip(spans, click, strict=True))
    at = tuple(slice(a, b) for a, b in spans)
    channel[at] = torch.maximum(channel[at], ball().to(channel)[inner])


@cache
def ball() -> Tensor:
    """Return (9, 9, 9): 1 in the middle, falling with the distance to what is outside the ball."""
    axis = np.arange(-RADIUS, RADIUS + 1) ** 2
    inside = axis[:, None, None] + axis[:, None] + axis <= RADIUS**2
    depth = distance_transform_edt(inside)
    return torch.from_numpy(depth / depth.max()).float()


def cells_of(cube: Cube, seen: Tensor, side: int) -> Tensor:
    """Bring what `Look` takes from voxels (4, *spatial) to `side` cells of a cube along each axis.

    Balls are dilated before they are averaged to coarser cells, or they would vanish.
    """
    if cube.side == side:
        return cube.seen(seen, side, "linear")
    reach = _nearest_odd(2 * cube.side / side - 1)
    balls = seen[2:]
    for size in ((reach, 1, 1), (1, reach, 1), (1, 1, reach)):
        balls = max_pool3d(balls, size, stride=1, padding=[n // 2 for n in size])
    image = cube.seen(seen[:1], side, "linear")
    return torch.cat([image, cube.seen(torch.cat([seen[1:2], balls]), side, "area")])


def changed_at_faces(mask: Tensor, former: Tensor) -> bool:
    """Say whether two masks (n, n, n) differ so much at one of six faces that the region goes on beyond."""
    for axis in range(3):
        for end in (0, -1):
            now, then = (float(one.select(axis, end).sum()) for one in (mask, former))
            differ = float((mask.select(axis, end) != former.select(axis, end)).sum())
            relative = max(now, then) / max(min(now, then), 1e-5) - 1
            if differ > 1500 or (differ > 100 and relative > 0.2):
                return True
    return False


def _zoomed_out(look: Look, seen: Tensor, click: Voxel, side: int) -> tuple[Cube, Tensor]:
    """Look at larger and larger cubes until the mask does not change at the faces; logits of the last."""
    zoom = 1.0
    while True:
        cube = Cube.about(click, round(side * zoom))
        found = look(cells_of(cube, seen, side))
        former = cube.seen(seen[1:2], side, "nearest")[0]
        if zoom >= ZOOM_MOST or not changed_at_faces(found > 0, former > 0):
            return cube, found
        zoom = min(zoom * ZOOM_STEP, ZOOM_MOST)


def _nearest_odd(number: float) -> int:
    """Round to the nearest odd integer; from an even one up."""
    return 2 * round((number - 1) / 2 + 1e-9) + 1
