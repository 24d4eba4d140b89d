import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine
from promptreg.prealign import prealign
from promptreg.types import Grid, Image


def _image(shape: tuple[int, ...], origin: list[float], box: tuple[slice, ...] | None) -> Image:
    """A bright box on black (or a ramp that fills the image), spacing 2."""
    affine = default_affine(len(shape), [2.0] * len(shape))
    affine[:-1, -1] = origin
    data = torch.zeros(1, *shape) if box else torch.arange(shape[-1]).float().expand(1, *shape)
    if box:
        data[(0, *box)] = 100
    return Image(data, Grid(shape, affine), "case")


def test_none_trusts_the_header():
    moving, fixed = _image((9, 9), [50, 0], None), _image((9, 9), [0, 0], None)
    assert np.array_equal(prealign(moving, fixed, "none"), np.eye(3))


def test_centers_map_the_middle_of_fixed_to_the_middle_of_moving():
    moving, fixed = _image((6, 9, 11), [50, -20, 7], None), _image((4, 8, 20), [0, 3, 0], None)
    matrix = prealign(moving, fixed, "centers")
    np.testing.assert_allclose(matrix[:3, :3], np.eye(3))
    np.testing.assert_allclose((matrix @ [*fixed.grid.center, 1])[:3], moving.grid.center)


@pytest.mark.parametrize("ndim", [2, 3])
def test_mass_maps_the_centroid_of_one_body_to_that_of_the_other(ndim):
    fixed = _image((24,) * ndim, [0.0] * ndim, (slice(4, 12),) * ndim)
    moving = _image((30,) * ndim, [5.0] * ndim, (slice(10, 18),) * ndim)
    np.testing.assert_allclose(prealign(moving, fixed, "mass")[:-1, -1], 2 * 6 + 5, atol=1e-3)


def test_mass_falls_back_to_centers_where_a_body_fills_its_image():
    fixed, moving = _image((24, 24), [0, 0], (slice(4, 12), slice(4, 12))), _image((30, 40), [5, 5], None)
    np.testing.assert_array_equal(prealign(moving, fixed, "mass"), prealign(moving, fixed, "centers"))


def test_images_of_different_dimension_are_an_error():
    with pytest.raises(ValueError, match=r"case \(3D\) to case \(2D\)"):
        prealign(_image((5, 5, 5), [0, 0, 0], None), _image((5, 5), [0, 0], None), "mass")
