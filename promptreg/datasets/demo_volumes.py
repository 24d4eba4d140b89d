"""The 3D pairs of the demo data set: two subjects of an anatomical template, each on its own scanner grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from promptreg.datasets.anatomy import Template, abdomen, pelvis, thorax
from promptreg.datasets.known_motion import KnownPair
from promptreg.datasets.phantoms import (
    Variation,
    in_view,
    make_subject,
    render,
    scanner_grid,
    subject_landmarks,
    template_landmarks,
)


@dataclass(frozen=True)
class VolumeRecipe:
    """A template, the cells and spacing (z, y, x) of both grids, and the two subjects.

    The moving grid is tilted by `tilt_deg` about x and has another origin: header frames are arbitrary
    between subjects, and only a method that reads them right can work.
    """

    template: Callable[[], Template]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    moving: Variation
    fixed: Variation
    tilt_deg: float = 0.0
    moving_center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    landmarks_per_label: int = 6


def make_volumes(recipe: VolumeRecipe) -> KnownPair:
    """Make a pair of volumes by its recipe; landmarks lie inside organs, in view of both."""
    template = recipe.template()
    fixed_grid = scanner_grid(recipe.shape, recipe.spacing)
    moving_grid = scanner_grid(
        recipe.shape, recipe.spacing, center=recipe.moving_center, tilt_deg=recipe.tilt_deg
    )
    moving = make_subject(template, recipe.moving, moving_grid)
    fixed = make_subject(template, recipe.fixed, fixed_grid)
    moving_image, moving_labels = render(moving, moving_grid, name="moving")
    fixed_image, fixed_labels = render(fixed, fixed_grid, name="fixed")
    points = template_landmarks(template, per_label=recipe.landmarks_per_label, seed=recipe.fixed.seed)
    in_moving, in_fixed = subject_landmarks(moving, points), subject_landmarks(fixed, points)
    kept = in_view(in_moving, moving_grid) & in_view(in_fixed, fixed_grid)
    return KnownPair(
        moving=moving_image,
        fixed=fixed_image,
        moving_labels=moving_labels,
        fixed_labels=fixed_labels,
        moving_landmarks=in_moving[kept],
        fixed_landmarks=in_fixed[kept],
        label_names=template.label_names,
    )


BREATHING = Variation(seed=31, shape_mm=8, smoothness_mm=45)

VOLUMES = {
    "abdomen": VolumeRecipe(
        abdomen,
        (32, 96, 96),
        (7.0, 3.5, 3.5),
        moving=Variation(seed=21, shape_mm=14, turn_deg=(3, 0, 7), size=0.94, shift_mm=(10, -8, 12)),
        fixed=Variation(seed=22, shape_mm=14),
        tilt_deg=6,
        moving_center=(25, -180, 640),
    ),
    "pelvis": VolumeRecipe(
        pelvis,
        (28, 96, 96),
        (3.6, 2.0, 2.0),
        moving=Variation(
            seed=23, shape_mm=10, smoothness_mm=30, turn_deg=(-4, 3, -6), size=1.06, shift_mm=(-6, 5, 4)
        ),
        fixed=Variation(seed=24, shape_mm=10, smoothness_mm=30),
        tilt_deg=-8,
        moving_center=(-12, 30, -95),
    ),
    "thorax": VolumeRecipe(
        thorax,
        (64, 64, 64),
        (5.0, 5.0, 5.0),
        moving=replace(BREATHING, breath_mm=24, shift_mm=(6, 0, -8), turn_deg=(0, 0, 4), noise=0.03),
        fixed=replace(BREATHING, noise=0.03),
        moving_center=(0, 0, -34),
    ),
}
