"""Every convention of coordinates lives here and nowhere else."""

from promptreg.geometry.exchange import grid_from_sitk, sitk_from_array
from promptreg.geometry.fields import (
    affine_to_ddf,
    exponentiate,
    inverse_transform_points,
    jacobian_determinant,
    transform_points,
    voxel_to_ddf,
    warp,
)
from promptreg.geometry.grids import (
    antialiased,
    apply_affine,
    cell_indices,
    default_affine,
    index_to_world,
    limited,
    resample,
    resized,
    sample,
    visibility,
    world_coordinates,
    world_to_index,
)

__all__ = [
    "affine_to_ddf",
    "antialiased",
    "apply_affine",
    "cell_indices",
    "default_affine",
    "exponentiate",
    "grid_from_sitk",
    "index_to_world",
    "inverse_transform_points",
    "jacobian_determinant",
    "limited",
    "resample",
    "resized",
    "sample",
    "sitk_from_array",
    "transform_points",
    "visibility",
    "voxel_to_ddf",
    "warp",
    "world_coordinates",
    "world_to_index",
]
