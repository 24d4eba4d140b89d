"""Where prompts are placed on the moving image: regions, random points, the user's own points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from torch import Tensor

from promptreg.body import body_mask
from promptreg.config import Prompts
from promptreg.geometry import apply_affine, world_to_index
from promptreg.types import Grid, Image, PointPrompts

__all__ = [
    "body_mask",
    "candidate_points",
    "check_points",
    "parse_prompts",
    "place_prompts",
    "points_inside",
    "prompt_region",
    "sample_prompts",
]

MARGIN = 0.03
MAX_CANDIDATES = 100_000
RELAXATION = 0.8


def place_prompts(moving: Image, labels: np.ndarray | None, config: Prompts, seed: int) -> PointPrompts:
    """Return the prompts Z_k^x on the moving image: the user's points, or points drawn from a region."""
    if config.points:
        given = parse_prompts(config.points)
        check_points(given.points.flatten(0, 1), moving.grid)
        return given
    points = _drawn(moving, labels, config, seed)
    return PointPrompts(points[:, None], torch.ones(len(points), 1, dtype=torch.long))


def points_inside(points: Tensor, labels: np.ndarray, grid: Grid) -> Tensor:
    """Return (K,) bool, which world points (K, ndim) lie in labelled cells of `labels` (*grid.shape)."""
    index = world_to_index(grid, points.double().cpu()).round().long()
    upper = torch.tensor(grid.shape) - 1
    cells = torch.minimum(index.clamp(min=0), upper).unbind(1)
    return torch.from_numpy(labels != 0)[cells]


def prompt_region(
    image: Image, labels: np.ndarray | None = None, where: Literal["body", "inside", "outside"] = "body"
) -> Tensor:
    """Return (*shape) bool, where prompts may lie: the body, inside its labels, or the body outside of them.

    `labels` (*shape) int is the moving label map, 0 for unlabelled; "body" does not read it. Raises
    ValueError when labels are needed and are absent, empty, or of another shape.
    """
    if where == "body":
        return body_mask(image)
    name = image.name or "the moving image"
    if labels is None or not np.any(labels):
        state = "has no labels" if labels is None else "has an empty label map"
        msg = (
            f"prompts.where places prompts {where} labels, but {name} {state}: provide moving labels, or set "
            "it to 'body'"
        )
        raise ValueError(msg)
    if labels.shape != image.grid.shape:
        msg = (
            f"the labels of {name} have shape {labels.shape}, expected that of the image, {image.grid.shape}"
        )
        raise ValueError(msg)
    inside = torch.as_tensor(labels != 0, device=image.data.device)
    return inside if where == "inside" else body_mask(image) & ~inside


def sample_prompts(image: Image, region: Tensor, *, count: int, min_distance: float, seed: int) -> Tensor:
    """Draw `count` world points (count, ndim) float64 uniformly from the cells of `region` (*shape) bool.

    Two points are at least `min_distance` apart, a fraction of the image's longest side; where the
    region holds no further such point, the distance shrinks step by step for those that follow, and
    where it has fewer cells than prompts, cells repeat. Cells within 3 % of the edge are left out
    if others remain. The first points of a larger draw are those of a smaller one with the same
    seed, and the points stay where they are in the world when the array is flipped or transposed and
    its affine with it. Raises ValueError for an empty region.
    """
    candidates = candidate_points(image, region, seed)
    chosen = _spread(candidates.numpy(), count, min_distance * float(image.grid.extent.max()))
    return candidates[chosen]


def candidate_points(image: Image, region: Tensor, seed: int) -> Tensor:
    """Return the world points (n, ndim) float64 of the cells of `region`, shuffled, in which prompts may lie.

    Raises ValueError for an empty region.
    """
    candidates = _candidates(region.cpu().numpy(), image.grid.affine, seed)
    if not len(candidates):
        name = image.name or "the moving image"
        msg = f"no cell of {name} lies in the region for prompts: check prompts.where and the labels"
        raise ValueError(msg)
    return candidates


def parse_prompts(texts: Sequence[str]) -> PointPrompts:
    """Read prompts as users write them: "x,y" or "x,y,z"; points of one prompt are separated by spaces.

    A leading "!" makes a point negative, as in "120,80 131,77 !140,60". World coordinates of the moving
    image. Raises ValueError that quotes the text which cannot be read.
    """
    read = [[_parse_point(word, text) for word in text.split()] for text in texts]
    lengths = {len(point) for points in read for point, _ in points}
    if not read or not all(read) or len(lengths) != 1:
        msg = f"prompts {list(texts)}: expected points x,y or x,y,z, all of one dimension"
        raise ValueError(msg)
    longest = max(map(len, read))
    padded = [points + [(points[0][0], -1)] * (longest - len(points)) for points in read]
    points = torch.tensor([[point for point, _ in one] for one in padded], dtype=torch.float64)
    labels = torch.tensor([[label for _, label in one] for one in padded])
    if not (labels == 1).any(1).all():
        msg = f"prompts {list(texts)}: every prompt needs at least one positive point"
        raise ValueError(msg)
    return PointPrompts(points, labels)


def _drawn(moving: Image, labels: np.ndarray | None, config: Prompts, seed: int) -> Tensor:
    """World points (count, ndim); "both" takes turns, the first inside."""

    def draw(where: Literal["body", "inside", "outside"], count: int) -> Tensor:
        region = prompt_region(moving, labels, where)
        return sample_prompts(moving, region, count=count, min_distance=config.min_distance, seed=seed)

    if config.where != "both":
        return draw(config.where, config.count)
    points = torch.empty(config.count, moving.grid.ndim, dtype=torch.float64)
    points[0::2] = draw("inside", len(points[0::2]))
    points[1::2] = draw("outside", len(points[1::2]))
    return points


def _parse_point(word: str, text: str) -> tuple[tuple[float, ...], int]:
    try:
        point = tuple(float(part) for part in word.removeprefix("!").split(","))
    except ValueError:
        point = ()
    if len(point) not in (2, 3):
        msg = f"prompt '{text}': cannot read '{word}'; expected x,y or x,y,z as numbers, ! first if negative"
        raise ValueError(msg)
    return point, 0 if word.startswith("!") else 1


def check_points(points: Sequence[Sequence[float]] | Tensor, grid: Grid) -> Tensor:
    """Return the user's world points as (K, ndim) float64; ValueError naming one that is not in the image."""
    for number, point in enumerate(points):
        if len(point) != grid.ndim:
            expected = "x, y" if grid.ndim == 2 else "x, y, z"
            msg = f"prompt {number} has {len(point)} coordinates, expected {grid.ndim} ({expected})"
            raise ValueError(msg)
    world = torch.as_tensor(points, dtype=torch.float64).reshape(-1, grid.ndim)
    index = world_to_index(grid, world)
    upper = torch.tensor(grid.shape, dtype=torch.float64) - 1
    outside = ~((index >= -0.5) & (index <= upper + 0.5)).all(1)
    if outside.any():
        number = int(outside.nonzero()[0])
        found = [round(value, 1) for value in index[number].tolist()]
        msg = (
            f"prompt {number} at world {world[number].tolist()} {grid.unit} lies outside the moving image: "
            f"its index ({'y, x' if grid.ndim == 2 else 'z, y, x'}) is {found}, "
            f"and the image runs from {[0] * grid.ndim} to {[n - 1 for n in grid.shape]}"
        )
        raise ValueError(msg)
    return world


def _candidates(region: np.ndarray, affine: np.ndarray, seed: int) -> Tensor:
    """(n, ndim) float64 world points of the region, shuffled, without the edge if others remain.

    Cells are numbered along the world axes, so that the shuffle does not see the array's orientation.
    """
    orientation = io_orientation(affine)
    affine = affine @ inv_ornt_aff(orientation, region.shape)
    region = apply_orientation(region, orientation)
    interior = np.zeros_like(region)
    margins = [int(np.ceil(MARGIN * n)) if n > 4 else 0 for n in region.shape]
    interior[tuple(slice(m, n - m) for m, n in zip(margins, region.shape, strict=True))] = True
    kept = region & interior
    cells = np.flatnonzero(kept if kept.any() else region)
    order = np.random.default_rng(seed).permutation(len(cells))[:MAX_CANDIDATES]
    index = np.stack(np.unravel_index(cells[order], region.shape), axis=1)
    return apply_affine(affine, torch.as_tensor(index, dtype=torch.float64))


def _spread(points: np.ndarray, count: int, distance: float) -> list[int]:
    """Indices of `count` points (n, ndim), each the first that lies `distance` from all chosen before it."""
    nearest = np.full(len(points), np.inf)
    chosen: list[int] = []
    while len(chosen) < count:
        if nearest.max() < 0:
            nearest[:] = np.inf
        far = nearest >= distance
        if not far.any():
            distance *= RELAXATION
            continue
        index = int(far.argmax())
        chosen.append(index)
        nearest = np.minimum(nearest, np.linalg.norm(points - points[index], axis=1))
        nearest[index] = -1
    return chosen
