import numpy as np
import torch
from small_sam import small_sam

from promptreg.config import Views
from promptreg.geometry import default_affine
from promptreg.models.base import embed_all
from promptreg.models.planar_batches import embed_planar
from promptreg.models.sam import SegmentAnything
from promptreg.models.slicewise import Slicewise
from promptreg.types import Grid, Image
from promptreg.views import sample_views, view_image

AFFINE = np.array([[0.2, 1.9, -30.0], [-1.1, 0.3, 80.0], [0.0, 0.0, 1.0]])


def views(n=5, *, seed=0):
    """An image on an oblique grid and its flipped, turned and scaled views."""
    shape = (40, 56)
    data = 50 * torch.rand(1, *shape, generator=torch.Generator().manual_seed(seed))
    image = Image(data, Grid(shape, AFFINE), "picture")
    return [view_image(image, view) for view in sample_views(image.grid, Views(count=n), seed)]


class Counting(SegmentAnything):
    """Counts the stacks that it is given."""

    def embed_stack(self, colours, grid):
        self.sizes = [*getattr(self, "sizes", []), len(colours)]
        return super().embed_stack(colours, grid)


def assert_same(found, expected):
    torch.testing.assert_close(found.features, expected.features, atol=1e-5, rtol=1e-5)
    for name in ("feature_grid", "image_grid", "mask_grid"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one.shape, one.unit) == (other.shape, other.unit)
        np.testing.assert_allclose(one.affine, other.affine, atol=1e-10)
    assert found.extras.keys() == expected.extras.keys()
    for name, tensor in expected.extras.items():
        torch.testing.assert_close(found.extras[name], tensor, atol=1e-5, rtol=1e-5)


def test_views_embedded_together_are_those_embedded_one_by_one_each_on_its_own_grid():
    model, images = SegmentAnything(small_sam()), views()
    for found, image in zip(embed_planar(model, images), images, strict=True):
        assert_same(found, model.embed(image))


def test_views_of_equal_spacing_share_a_stack_and_others_do_not():
    model = Counting(small_sam())
    images = views()
    embed_planar(model, images)
    alike = [round(float(image.grid.spacing[0]), 9) for image in images]
    assert sorted(model.sizes) == sorted(alike.count(one) for one in set(alike))
    assert max(model.sizes) >= 3


def test_images_of_other_shapes_keep_their_order():
    model = SegmentAnything(small_sam())
    first, second = views(2)
    cut = Image(first.data[:, :30], Grid((30, 56), AFFINE), "cut")
    found = embed_planar(model, [first, cut, second])
    assert [one.image_grid.shape for one in found] == [(40, 56), (30, 56), (40, 56)]
    assert_same(found[1], model.embed(cut))


def test_a_slicewise_model_batches_planar_images_and_takes_volumes_one_by_one():
    model = Slicewise(Counting(small_sam()))
    images = views(3)
    for found, image in zip(embed_all(model, images), images, strict=True):
        assert_same(found, SegmentAnything(model.planar.sam).embed(image))
    volume = Image(torch.rand(1, 3, 20, 24), Grid((3, 20, 24), default_affine(3)))
    model.planar.sizes = []
    assert len(embed_all(model, [volume, volume])) == 2
    assert model.planar.sizes == [3, 3]
