"""Views A_j of the moving image (Sec. 3.2): flips, rotations, scalings, as grids in the image's own world.

A view is the pull-back I_j(p) = I(A_j p), so that it is nothing but the image read on another grid, whose
affine is A_j times the image's. World points and masks of a view need no inversion: a prompt stays the
world point that it is, and `geometry.resample` brings a mask decoded in a view to any other grid.

Views of a volume act within its slices and in world units, so that a slice of the view is a view of
a slice and models that work slice by slice keep their slices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from promptreg.body import background_value, in_plane_axes
from promptreg.config import Views
from promptreg.geometry import blurred, resample, world_to_index
from promptreg.seeds import derive_seed
from promptreg.types import Grid, Image

FAMILIES = ("flip", "rotation", "scaling")


@dataclass(frozen=True, eq=False)
class View:
    """One transform A_j of an image.

    Attributes:
        kind: "identity", "flip", "rotation" or "scaling".
        matrix: (ndim + 1, ndim + 1) float64, homogeneous world map A_j.
        record: its parameters, JSON-serializable; `from_record` makes the same view of them.
    """

    kind: str
    matrix: np.ndarray
    record: Mapping[str, Any]

    @classmethod
    def from_record(cls, record: Mapping[str, Any], grid: Grid) -> View:
        """Rebuild the view of the image on `grid`, about the middle of the grid.

        Records: {"kind": "identity"}; {"kind": "flip", "axes": array axes};
        {"kind": "rotation", "degrees": angle}; {"kind": "scaling", "factor": magnification, above 1
        for larger objects and less of them}.
        """
        kind = record["kind"]
        linear = {
            "identity": lambda: np.eye(grid.ndim),
            "flip": lambda: _flip(grid, record["axes"]),
            "rotation": lambda: _rotation(grid, record["degrees"]),
            "scaling": lambda: _scaling(grid, record["factor"]),
        }[kind]()
        matrix = np.eye(grid.ndim + 1)
        if kind != "identity":
            matrix[:-1, :-1] = linear
            matrix[:-1, -1] = grid.center - linear @ grid.center
        return cls(kind, matrix, dict(record))


def sample_views(grid: Grid, config: Views, seed: int) -> list[View]:
    """Draw the `config.count` views of the image on `grid`; the first is the identity.

    View j depends on the seed and j alone, so that a larger count keeps the earlier views; its matrix
    does not change when the array is flipped or transposed and its affine with it. Flips
    (either in-plane axis, both) run through all three before one repeats; "random" likewise runs
    through the families. Angles are uniform in [0, rotation_deg]; magnifications are log-uniform in
    [scale_min, scale_max], so that a factor and its inverse are equally likely.
    """
    if config.scale_min > config.scale_max:
        msg = f"views.scale_min is {config.scale_min}, above views.scale_max, {config.scale_max}: swap them"
        raise ValueError(msg)
    records = [{"kind": "identity"}, *(_draw(grid, config, seed, j) for j in range(1, config.count))]
    return [View.from_record(record, grid) for record in records]


def turned_views(grid: Grid, config: Views) -> list[View]:
    """Return `config.turns` evenly spaced turns of a planar image, the identity first.

    The identity alone for a volume: which way up it is, its header says.
    """
    n_turns = config.turns if grid.ndim == 2 else 1
    records: list[dict[str, Any]] = [{"kind": "identity"}]
    records += [{"kind": "rotation", "degrees": 360 * number / n_turns} for number in range(1, n_turns)]
    return [View.from_record(record, grid) for record in records]


def view_grid(view: View, grid: Grid) -> Grid:
    """Return the grid on which the image on `grid` is read for the view; `grid` itself for the identity."""
    return grid if view.kind == "identity" else Grid(grid.shape, view.matrix @ grid.affine, grid.unit)


def view_image(image: Image, view: View) -> Image:
    """Read the image on its view's grid; beyond the field of view lies the background (the border's median).

    Zero would not do: it is soft tissue in CT and black on a white slide, an edge that models segment.
    A shrinking view is low-pass filtered first.
    """
    if view.kind == "identity":
        return image
    target = view_grid(view, image.grid)
    fill = background_value(image).reshape(-1, *[1] * image.grid.ndim)
    data = image.data - fill
    step = target.spacing / image.grid.spacing
    if step.max() > 1 + 1e-6:
        data = blurred(data, image.grid, np.maximum(step - 1, 0) / 2 * image.grid.spacing)
    return Image(resample(data, image.grid, target) + fill, target, image.name)


def point_visible(points: Tensor, view: View, grid: Grid) -> Tensor:
    """Return (...) bool, which world points (..., ndim) lie in the field of view of the image's view."""
    index = world_to_index(view_grid(view, grid), points.double())
    upper = torch.tensor(grid.shape, dtype=torch.float64, device=points.device) - 0.5
    return ((index >= -0.5) & (index <= upper)).all(-1)


def _draw(grid: Grid, config: Views, seed: int, j: int) -> dict[str, Any]:
    """Draw the record of view j >= 1."""
    family, turn = config.kind, j - 1
    if family == "random":
        family, turn = _cycle(FAMILIES, turn, derive_seed(seed, "family")), turn // len(FAMILIES)
    rng = np.random.default_rng(derive_seed(seed, "view", j))
    if family == "flip":
        first, second = sorted(in_plane_axes(grid), key=lambda axis: _world_axis(grid.affine[:-1, axis]))
        flips = ([first], [second], [first, second])
        return {"kind": "flip", "axes": _cycle(flips, turn, derive_seed(seed, "flip"))}
    if family == "rotation":
        return {"kind": "rotation", "degrees": float(rng.uniform(0, config.rotation_deg))}
    low, high = math.log(config.scale_min), math.log(config.scale_max)
    return {"kind": "scaling", "factor": float(np.exp(rng.uniform(low, high)))}


def _cycle(items: tuple[Any, ...], turn: int, seed: int) -> Any:
    """Item number `turn` of an endless sequence of shuffles of `items`."""
    cycle, place = divmod(turn, len(items))
    order = np.random.default_rng(derive_seed(seed, cycle)).permutation(len(items))
    return items[order[place]]


def _flip(grid: Grid, axes: list[int]) -> np.ndarray:
    """World reflection of the given array axes."""
    linear = grid.affine[:-1, :-1]
    signs = [-1.0 if axis in axes else 1.0 for axis in range(grid.ndim)]
    return linear @ np.diag(signs) @ np.linalg.inv(linear)


def _rotation(grid: Grid, degrees: float) -> np.ndarray:
    """World rotation within the slice plane."""
    angle = math.radians(degrees)
    if grid.ndim == 2:
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    first, second = in_plane_axes(grid)
    normal = np.cross(grid.affine[:-1, second], grid.affine[:-1, first])
    normal *= np.sign(normal[_world_axis(normal)])
    return Rotation.from_rotvec(angle * normal / np.linalg.norm(normal)).as_matrix()


def _world_axis(direction: np.ndarray) -> int:
    """Number of the world axis along which a direction mostly runs."""
    return int(np.abs(direction).argmax())


def _scaling(grid: Grid, factor: float) -> np.ndarray:
    """World scaling within the slice plane; to magnify an image is to read it at a finer step."""
    linear = grid.affine[:-1, :-1]
    scales = [1 / factor if axis in in_plane_axes(grid) else 1.0 for axis in range(grid.ndim)]
    return linear @ np.diag(scales) @ np.linalg.inv(linear)
