"""The embedded demo data set: real pictures and anatomical phantoms, exact truth, no download.

Pictures come from the data folder of the installed scikit-image; everything else is computed. All of it
is a function of fixed seeds, so that two machines make the same pairs.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from promptreg.datasets.base import PairSpec

if TYPE_CHECKING:
    import numpy as np

    from promptreg.datasets.known_motion import KnownPair
    from promptreg.types import Grid, Image

GROUPS = {
    "histology": "pictures (2D)",
    "retina": "pictures (2D)",
    "stereo": "pictures (2D)",
    "coins": "pictures (2D)",
    "moon": "pictures (2D)",
    "cat": "pictures (2D)",
    "abdomen": "phantoms (3D)",
    "pelvis": "phantoms (3D)",
    "thorax": "phantoms (3D)",
}
VOLUMETRIC = ("abdomen", "pelvis", "thorax")
UNLABELLED = ("stereo", "cat")
EDITION = 1


class Demo:
    """Six 2D and three 3D pairs; images are `{pair}_moving` and `{pair}_fixed`, built when asked for."""

    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            msg = f"the demo data set needs no files; remove its path '{path}', or use the manifest reader"
            raise ValueError(msg)

    def pairs(self) -> list[PairSpec]:
        """List the pairs, 2D first."""
        return [_spec(name) for name in GROUPS]

    def stamp(self, reference: str) -> str:
        """Return what an image depends on: the edition of the recipes and scikit-image's version."""
        _split(reference)
        return f"demo-{EDITION}-scikit-image-{version('scikit-image')}"

    def image(self, image: str) -> Image:
        """Build one image by its id."""
        from promptreg.types import Image

        name, side, _ = _split(image)
        built = getattr(build(name), side)
        return Image(built.data, built.grid, image)

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the label map (*grid.shape) int32 of one image."""
        name, side, what = _split(reference)
        labels = getattr(build(name), f"{side}_{what}")
        if labels is None or labels.shape != grid.shape:
            found = "none" if labels is None else f"shape {labels.shape}"
            msg = f"demo: labels '{reference}': found {found}, the image has shape {grid.shape}"
            raise ValueError(msg)
        return labels.copy()

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Return the landmarks (N, ndim) of one image in world coordinates x, y(, z)."""
        name, side, what = _split(reference)
        points = getattr(build(name), f"{side}_{what}")
        if points.shape[1] != grid.ndim:
            msg = f"demo: landmarks '{reference}' are {points.shape[1]}D, the image is {grid.ndim}D"
            raise ValueError(msg)
        return points.copy()

    def label_names(self, pair: str) -> dict[int, str]:
        """Return what the labels of a pair are called; empty for a pair without labels."""
        return dict(build(pair).label_names)


@cache
def build(name: str) -> KnownPair:
    """Make a pair by its name; made pairs are kept, all nine take some 30 MB."""
    if name in VOLUMETRIC:
        from promptreg.datasets.demo_volumes import VOLUMES, make_volumes

        return make_volumes(VOLUMES[name])
    if name == "stereo":
        from promptreg.datasets.demo_stereo import stereo_pair

        return stereo_pair()
    from promptreg.datasets.demo_pictures import RECIPES, make_pair

    return make_pair(RECIPES[name])


def _spec(name: str) -> PairSpec:
    kinds = ("landmarks",) if name in UNLABELLED else ("labels", "landmarks")
    return PairSpec(
        pair=name,
        moving=f"{name}_moving",
        fixed=f"{name}_fixed",
        dimension=3 if name in VOLUMETRIC else 2,
        group=GROUPS[name],
        annotations={
            f"{side}_{kind}": f"{name}_{side}_{kind}" for kind in kinds for side in ("moving", "fixed")
        },
    )


def _split(reference: str) -> tuple[str, str, str]:
    """Split an id into the pair's name, "moving" or "fixed", and what it is ("" for the image)."""
    name, _, rest = reference.partition("_")
    side, _, what = rest.partition("_")
    if name not in GROUPS or side not in ("moving", "fixed") or what not in ("", "labels", "landmarks"):
        msg = f"demo: unknown image or annotation '{reference}'; pairs are {', '.join(GROUPS)}"
        raise ValueError(msg)
    return name, side, what
