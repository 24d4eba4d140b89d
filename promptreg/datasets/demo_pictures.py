"""The 2D pairs of the demo data set: real pictures of scikit-image, moved by a known map and changed in look.

The fixed image is a crop of a picture; the moving image reads the same picture through a known pull-back
map q -> p, moving to fixed, and then another appearance. Hence a point q of the moving image corresponds
to p of the fixed image, and labels drawn on the picture are read through the same map: both are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import skimage.io
import skimage.util
import torch
from skimage.feature import corner_peaks, corner_shi_tomasi
from skimage.transform import resize

from promptreg.datasets import demo_rules as rules
from promptreg.datasets.known_motion import KnownPair, about, random_deformation
from promptreg.geometry import apply_affine, default_affine, transform_points, warp, world_coordinates
from promptreg.types import Ddf, Grid, Image

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
FOLDER = Path(skimage.__file__).parent / "data"


@dataclass(frozen=True)
class Recipe:
    """How a pair is made from a picture.

    Attributes:
        file: picture in scikit-image's own data folder.
        shape: rows and columns of both images.
        margin: pixels of the picture kept around the fixed image, so that real content moves in.
        angle_deg, factor, shift: similarity part of the pull-back map, shift in pixels x, y.
        amplitude, smoothness: deformable part, in pixels.
        noise: standard deviation of the noise on the moving image.
        change: new appearance of the moving image, (Y, X, C) in [0, 1].
        regions: labels of the picture, from (Y, X, C) in [0, 1].
    """

    file: str
    shape: tuple[int, int]
    seed: int
    change: Change
    margin: int = 0
    angle_deg: float = 0.0
    factor: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    amplitude: float = 0.0
    smoothness: float = 40.0
    noise: float = 0.01
    regions: Callable[[np.ndarray], np.ndarray] | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)


def load_picture(file: str) -> np.ndarray:
    """Load a picture that the installed scikit-image carries, (Y, X, C) float64 in [0, 1]."""
    path = FOLDER / file
    if not path.is_file():
        msg = (
            f"{path}: not in the installed scikit-image {version('scikit-image')}; the demo data set needs it"
        )
        raise FileNotFoundError(msg)
    return np.atleast_3d(skimage.util.img_as_float(skimage.io.imread(path)))


def make_pair(recipe: Recipe) -> KnownPair:
    """Make a pair of pictures by its recipe."""
    rng = np.random.default_rng(recipe.seed)
    margin, (rows, columns) = recipe.margin, recipe.shape
    picture = resize(load_picture(recipe.file), (rows + 2 * margin, columns + 2 * margin), anti_aliasing=True)
    affine = default_affine(2)
    affine[:-1, -1] = -margin
    whole, grid = Grid(picture.shape[:2], affine, "px"), Grid(recipe.shape, default_affine(2), "px")
    pull = pull_back(recipe, grid)
    crop = slice(margin, margin + rows), slice(margin, margin + columns)
    moving = warp(as_tensor(picture), whole, pull, padding="border").movedim(0, -1).double().numpy()
    changed = np.clip(recipe.change(moving, rng) + rng.normal(0, recipe.noise, moving.shape), 0, 1)
    labels = None if recipe.regions is None else recipe.regions(picture)
    moving_points, fixed_points = corresponding_corners(moving, pull)
    return KnownPair(
        moving=Image(255 * as_tensor(changed), grid, "moving"),
        fixed=Image(255 * as_tensor(picture[crop]), grid, "fixed"),
        moving_labels=None if labels is None else _pulled_labels(labels, whole, pull),
        fixed_labels=None if labels is None else labels[crop].copy(),
        moving_landmarks=moving_points,
        fixed_landmarks=fixed_points,
        label_names=recipe.label_names,
    )


def pull_back(recipe: Recipe, grid: Grid) -> Ddf:
    """Return the recipe's map from the moving to the fixed image, as a field on the moving `grid`."""
    angle = np.deg2rad(recipe.angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    similarity = about(grid.center, recipe.factor * turn, np.array(recipe.shift))
    bend = random_deformation(grid, recipe.amplitude, recipe.smoothness, recipe.seed).displacement
    world = world_coordinates(grid).double()
    moved = apply_affine(similarity, world + bend.movedim(0, -1).double())
    return Ddf((moved - world).movedim(-1, 0).float(), grid)


def corresponding_corners(moving: np.ndarray, pull: Ddf, *, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return corners of the moving image and where in the fixed image they come from, (N, 2) world each."""
    strength = corner_shi_tomasi(moving.mean(axis=-1), sigma=2)
    corners = corner_peaks(strength, min_distance=8, exclude_border=8, threshold_rel=0.002)[:, ::-1]
    points = torch.from_numpy(corners.astype(np.float64))
    origins = transform_points(pull, points).numpy()
    rows, columns = pull.grid.shape
    kept = ((origins >= 2) & (origins <= (columns - 3, rows - 3))).all(axis=1)
    return points.numpy()[kept][:count], origins[kept][:count]


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    """Return a picture (Y, X, C) as a (C, Y, X) float32 tensor."""
    return torch.from_numpy(np.moveaxis(picture, -1, 0).copy()).float()


def _pulled_labels(labels: np.ndarray, whole: Grid, pull: Ddf) -> np.ndarray:
    data = torch.from_numpy(labels.astype(np.float32))[None]
    return warp(data, whole, pull, mode="nearest", padding="border")[0].numpy().astype(np.int32)


RECIPES = {
    "histology": Recipe(
        "ihc.png", (240, 240), 11, rules.restained, margin=20, angle_deg=8, amplitude=10, smoothness=35,
        regions=rules.glands, label_names={1: "upper glands", 2: "lower gland"},
    ),
    "retina": Recipe(
        "retina.jpg", (280, 280), 12, rules.relit, angle_deg=-20, factor=1.12, shift=(12, -9),
        regions=rules.disc_and_macula, label_names={1: "optic disc", 2: "macula"},
    ),
    "coins": Recipe(
        "coins.png", (220, 280), 13, rules.darkened, margin=8, angle_deg=5, amplitude=9, smoothness=30,
        regions=rules.coins, label_names={n: f"coin {n}" for n in range(1, 9)},
    ),
    "moon": Recipe(
        "moon.png", (240, 240), 14, rules.relit, margin=30, angle_deg=28, factor=0.9, shift=(10, 14),
        noise=0.003, regions=rules.maria, label_names={1: "dark patch 1", 2: "dark patch 2"},
    ),
    "cat": Recipe(
        "chelsea.png", (190, 290), 15, rules.recoloured, margin=5, angle_deg=-6, amplitude=12, smoothness=40,
    ),
}  # fmt: skip
