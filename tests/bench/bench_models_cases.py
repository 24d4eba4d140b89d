"""Labelled real images of a manifest, whole or as one slice, and the organ groups of their structures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptreg.datasets.manifest import Manifest, image_id
from promptreg.geometry import antialiased, index_to_world, limited, world_to_index
from promptreg.models.slice_grids import plane_of
from promptreg.types import Grid, Image

LONGEST = {2: 256, 3: 96}
GROUPS = {
    "zone": "prostate zones",
    "prostate": "prostate gland",
    "liver": "liver",
    "kidney": "kidneys",
    "spleen": "spleen",
    "right ventricle": "RV",
    "myocardium": "Myo",
    "left ventricle": "LV",
    "lobe": "lung lobes",
    "lung": "lung",
}


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image and its label map (*image.grid.shape) int; `name` tells apart two label maps of one image."""

    name: str
    image: Image
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """Two labelled images and the organ group of each label value."""

    name: str
    moving: Labelled
    fixed: Labelled
    groups: dict[int, str]


def labelled_pairs(manifest: Path, dimension: int, limit: int | None = None) -> Iterator[LabelledPair]:
    """Read the pairs with two label maps and known organs; volumes in 2D too, where they give slices.

    `limit` takes that many pairs of each application. A pair whose images are their own label maps (masks
    without intensities) is left out.
    """
    reader, taken, cache = Manifest(str(manifest)), dict[str, int](), dict[str, Labelled]()
    for spec in reader.pairs():
        maps = [spec.annotations.get(f"{side}_labels") for side in ("moving", "fixed")]
        groups = {value: group_of(name) for value, name in reader.label_names(spec.pair).items()}
        known = {value: group for value, group in groups.items() if group}
        if None in maps or not known or spec.dimension < dimension or image_id(maps[0]) == spec.moving:
            continue
        taken[spec.group] = taken.get(spec.group, 0) + 1
        if limit is None or taken[spec.group] <= limit:
            both = zip((spec.moving, spec.fixed), maps, strict=True)
            moving, fixed = (_read(reader, image, labels, cache) for image, labels in both)
            yield LabelledPair(spec.pair, moving, fixed, known)


def group_of(name: str) -> str:
    """Return the organ group of a structure's name, "" if it belongs to none."""
    return next((group for word, group in GROUPS.items() if word in name.lower()), "")


def _read(reader: Manifest, image: str, labels: str, cache: dict[str, Labelled]) -> Labelled:
    name = f"{image} {image_id(labels)}"
    if name not in cache:
        data = reader.image(image)
        cache[name] = Labelled(name, data, reader.labels(labels, data.grid))
    return cache[name]


def largest_slice(labelled: Labelled, value: int) -> Labelled:
    """Return the slice, along the first array axis, with most of a label; a 2D image as it is."""
    if labelled.image.grid.ndim == 2:
        return labelled
    where = int((labelled.labels == value).reshape(len(labelled.labels), -1).sum(1).argmax())
    plane = plane_of(labelled.image.grid, 0)
    image = Image(labelled.image.data[:, where].contiguous(), plane, labelled.image.name)
    return Labelled(f"{labelled.name} {where}", image, labelled.labels[where])


def measuring_grid(grid: Grid) -> Grid:
    """Return the grid on which masks of every model are compared with labels, over the same field of view."""
    return limited(grid, LONGEST[grid.ndim])


def structure(labelled: Labelled, value: int) -> Tensor:
    """Return (*measuring_grid.shape) bool: the cells at least half covered by a label."""
    share = torch.from_numpy((labelled.labels == value).astype(np.float32))[None]
    return antialiased(share, labelled.image.grid, measuring_grid(labelled.image.grid))[0] >= 0.5


def random_cells(mask: Tensor, count: int, seed: int) -> Tensor:
    """Draw `count` cells of a mask (*shape) bool uniformly; (count, ndim) int64, array order."""
    cells = mask.nonzero()
    generator = torch.Generator().manual_seed(seed)
    return cells[torch.randint(len(cells), (count,), generator=generator)]


def world_of(cells: Tensor, grid: Grid) -> Tensor:
    """Return the world points (..., ndim) float64 of cells (..., ndim) of a grid."""
    return index_to_world(grid, cells.double())


def inside(points: Tensor, mask: Tensor, grid: Grid) -> Tensor:
    """Return (B,) bool: which world points (B, ndim) lie in a mask (*grid.shape); none beyond it does."""
    index = world_to_index(grid, points.double()).round().long()
    upper = torch.tensor(grid.shape) - 1
    within = ((index >= 0) & (index <= upper)).all(-1)
    clipped = index.clamp(min=0).minimum(upper)
    return mask[tuple(clipped.unbind(-1))] & within


def dice(masks: Tensor, truth: Tensor) -> Tensor:
    """Return the Dice (...) of masks (..., *truth.shape) bool with `truth`; zero if both are empty."""
    flat, one = masks.flatten(-truth.ndim).float(), truth.flatten().float()
    return 2 * (flat @ one) / (flat.sum(-1) + one.sum()).clamp_min(1)
