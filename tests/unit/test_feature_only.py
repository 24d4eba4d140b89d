import numpy as np
import pytest
import torch

from promptreg.geometry import cell_indices, default_affine, index_to_world, resized, world_to_index
from promptreg.models.feature_only import LEVELS, FeatureOnly
from promptreg.types import Embedding, Grid, Image

AFFINE = np.array([[0.0, 2.0, 5.0], [-3.0, 0.0, -7.0], [0.0, 0.0, 1.0]])


class Given:
    """An encoder that returns the image's own channels, averaged over cells of `stride` pixels."""

    name = "given"

    def __init__(self, ndim=2, stride=1):
        self.ndim = (ndim,)
        self.stride = stride

    def embed(self, image):
        shape = [n // self.stride for n in image.grid.shape]
        features = torch.nn.functional.interpolate(image.data[None], shape, mode="area")[0]
        cells = resized(image.grid, shape)
        return Embedding(features, cells, image.grid, image.grid, {"for the decoder": features})


def two_squares(affine=AFFINE):
    """Two squares of one kind (feature x) on a ground of another (feature y); (2, 24, 40)."""
    data = torch.zeros(2, 24, 40)
    data[1] = 1.0
    for top, left in ((3, 4), (14, 27)):
        data[:, top : top + 6, left : left + 8] = torch.tensor([1.0, 0.0])[:, None, None]
    return Image(data, Grid((24, 40), affine), "two squares")


def decoded(image, points, labels, **kwargs):
    model = FeatureOnly(Given(image.grid.ndim, **kwargs), name="control")
    embedding = model.embed(image)
    return embedding, model.decode(embedding, torch.tensor([points]), torch.tensor([labels]))


def test_the_region_of_a_click_is_the_connected_part_of_like_features_round_it():
    image = two_squares()
    _, found = decoded(image, [[5.0, 7.0]], [1])
    expected = torch.zeros(24, 40, dtype=torch.bool)
    expected[3:9, 4:12] = True
    for level in range(len(LEVELS)):
        assert torch.equal(found.logits[0, level] > 0, expected)


def test_a_lower_level_gives_a_region_that_holds_that_of_a_higher_one():
    ramp = torch.stack([torch.linspace(0, 3, 40).cos(), torch.linspace(0, 3, 40).sin()])
    image = Image(ramp[:, None].expand(-1, 24, -1).contiguous(), Grid((24, 40), AFFINE))
    _, found = decoded(image, [[12.0, 8.0]], [1])
    masks = found.logits[0] > 0
    assert (masks[0] | ~masks[1]).all()
    assert (masks[1] | ~masks[2]).all()
    assert masks.flatten(1).sum(1).unique().numel() == len(LEVELS)


def test_a_second_click_adds_its_part_and_a_negative_one_takes_what_is_like_it():
    image = two_squares()
    _, both = decoded(image, [[5.0, 7.0], [16.0, 30.0]], [1, 1])
    assert (both.logits[0, 0] > 0).sum() == 2 * 6 * 8
    _, less = decoded(image, [[5.0, 7.0], [16.0, 30.0]], [1, 0])
    assert less.logits[0, 0, 16, 30] < 0


def test_the_likest_region_against_its_surroundings_has_the_highest_score():
    rings = torch.full((2, 24, 40), 0.0)
    rings[1] = 1.0
    rings[:, 4:20, 8:24] = torch.tensor([0.8, 0.6])[:, None, None]
    rings[:, 9:15, 13:19] = torch.tensor([1.0, 0.0])[:, None, None]
    _, found = decoded(Image(rings, Grid((24, 40), AFFINE)), [[12.0, 16.0]], [1])
    areas = (found.logits[0] > 0).flatten(1).sum(1)
    best = found.best()[0]
    assert areas[best] in (16 * 16, 6 * 6)
    assert found.scores.isfinite().all()


def test_masks_of_coarse_cells_lie_in_the_world_where_the_structure_is():
    embedding, found = decoded(two_squares(), [[16.0, 30.0]], [1], stride=2)
    mask = found.logits[0, 1] > 0
    world = index_to_world(embedding.mask_grid, cell_indices(mask.shape)[mask]).mean(0)
    centre = world_to_index(embedding.image_grid, world)
    torch.testing.assert_close(centre, torch.tensor([16.5, 30.5]), atol=0.6, rtol=0)


def test_mask_cells_are_four_to_a_feature_cell_but_no_finer_than_the_image():
    for stride, expected in ((8, (12, 20)), (2, (24, 40))):
        embedding, _ = decoded(two_squares(), [[5.0, 7.0]], [1], stride=stride)
        assert embedding.mask_grid.shape == expected
        assert embedding.extras == {}


def test_in_a_volume_regions_are_connected_through_the_slices():
    data = torch.zeros(2, 5, 12, 16)
    data[1] = 1.0
    data[:, 1:4, 3:7, 4:9] = torch.tensor([1.0, 0.0])[:, None, None, None]
    data[:, 4, 9:11, 12:14] = torch.tensor([1.0, 0.0])[:, None, None]
    _, found = decoded(Image(data, Grid((5, 12, 16), default_affine(3, [4, 1, 1]))), [[2.0, 5.0, 6.0]], [1])
    assert (found.logits[0, 1] > 0).sum() == 3 * 4 * 5


def test_the_mean_feature_of_the_image_changes_nothing():
    image = two_squares()
    shifted = Image(image.data + torch.tensor([7.0, -3.0])[:, None, None], image.grid)
    first, second = (decoded(one, [[5.0, 7.0]], [1])[1] for one in (image, shifted))
    torch.testing.assert_close(first.logits, second.logits, atol=1e-3, rtol=0)


def test_a_prompt_without_a_positive_click_is_refused():
    with pytest.raises(ValueError, match="positive"):
        decoded(two_squares(), [[5.0, 7.0]], [0])
