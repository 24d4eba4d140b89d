import pytest
import torch
from toy_model import ToyModel

from promptreg.geometry import default_affine, resample, visibility, world_to_index
from promptreg.marginalize import average, entropy, view_cosine, view_overlap
from promptreg.types import Grid, Image
from promptreg.views import View, view_image


def _probabilities(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("how", ["mean", "median"])
@pytest.mark.parametrize("size", [(9, 7), (4, 5, 6)])
def test_one_view_is_returned_bit_by_bit(how, size):
    probabilities = _probabilities(3, 1, *size)
    mean, variance, weight = average(probabilities, torch.ones(1, dtype=torch.bool), how)
    assert torch.equal(mean, probabilities[:, 0])
    assert not variance.any()
    assert (weight == 1).all()


@pytest.mark.parametrize("how", ["mean", "median"])
def test_equal_views_average_to_themselves_whoever_sees_them(how):
    truth = _probabilities(2, 6, 6)
    visible = _probabilities(2, 5, 6, 6, seed=1) > 0.4
    visible[:, 0] = True
    mean, variance, _ = average(truth[:, None].expand(2, 5, 6, 6), visible, how)
    torch.testing.assert_close(mean, truth)
    assert variance.max() < 1e-12


def test_averages_and_variances_are_those_of_the_views_that_see_the_cell():
    probabilities = _probabilities(2, 5, 4, 3)
    visible = _probabilities(2, 5, 4, 3, seed=2) > 0.5
    mean, variance, weight = average(probabilities, visible)
    median = average(probabilities, visible, "median")[0]
    for k, y, x in ((k, y, x) for k in range(2) for y in range(4) for x in range(3)):
        seen = probabilities[k, visible[k, :, y, x], y, x]
        assert weight[k, y, x] == len(seen)
        expected = seen if len(seen) else torch.zeros(1)
        torch.testing.assert_close(mean[k, y, x], expected.mean())
        torch.testing.assert_close(variance[k, y, x], expected.var(correction=0))
        torch.testing.assert_close(median[k, y, x], expected.quantile(0.5))


def test_a_cell_that_no_view_sees_is_zero_in_everything():
    for how in ("mean", "median"):
        for result in average(_probabilities(1, 3, 4, 4), torch.zeros(1, 3, 1, 1, dtype=torch.bool), how):
            assert not result.any()


def test_what_an_unseen_cell_holds_does_not_matter():
    probabilities = _probabilities(1, 2, 4, 4)
    visible = torch.tensor([True, False]).reshape(1, 2, 1, 1)
    spoiled = probabilities.clone()
    spoiled[:, 1] = torch.nan
    for how in ("mean", "median"):
        for result, expected in zip(
            average(spoiled, visible, how), average(probabilities, visible, how), strict=True
        ):
            assert torch.equal(result, expected)


def test_the_median_ignores_one_outlying_view():
    probabilities = torch.tensor([0.9, 0.9, 0.0]).reshape(1, 3, 1, 1)
    everywhere = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    assert average(probabilities, everywhere, "median")[0].item() == pytest.approx(0.9)
    assert average(probabilities, everywhere, "mean")[0].item() == pytest.approx(0.6)


def test_entropy_is_zero_where_certain_and_one_bit_at_one_half():
    torch.testing.assert_close(entropy(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.0, 1.0, 0.0]))


def test_views_are_compared_with_the_first_where_both_see():
    probabilities = torch.zeros(1, 4, 4, 4)
    probabilities[0, 0, :2] = 1
    probabilities[0, 1, :2, :2] = 1
    probabilities[0, 2, 2:] = 1
    visible = torch.ones(1, 4, 4, 4, dtype=torch.bool)
    assert view_overlap(probabilities, visible).tolist() == [[1.0, 0.5, 0.0, 0.0]]
    visible[0, 1, :, 2:] = False
    visible[0, 3, :2] = False
    assert view_overlap(probabilities, visible).tolist() == [[1.0, 1.0, 0.0, 1.0]]


def test_prototypes_are_compared_with_the_first_by_their_direction():
    prototypes = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]])
    torch.testing.assert_close(view_cosine(prototypes), torch.tensor([[1.0, 1.0, 0.0, -1.0]]))


def test_an_equivariant_model_decodes_the_same_roi_in_every_view():
    grid = Grid((24, 24), default_affine(2, (0.5, 0.5)))
    image = Image(_probabilities(1, 24, 24), grid)
    points = torch.tensor([[4.0, 5.5], [8.0, 6.0]], dtype=torch.float64)
    model, labels = ToyModel(2), torch.ones(2, 1, dtype=torch.int64)
    records = [{"kind": "identity"}, {"kind": "flip", "axes": [1]}, {"kind": "flip", "axes": [0, 1]}]
    records.append({"kind": "rotation", "degrees": 90.0})
    masks, visible = [], []
    for record in records:
        embedding = model.embed(view_image(image, View.from_record(record, grid)))
        index = world_to_index(embedding.image_grid, points).float()[:, None]
        logits = model.decode(embedding, index, labels).logits[:, 0]
        masks.append(resample(logits.sigmoid(), embedding.mask_grid, grid))
        visible.append(visibility(embedding.mask_grid, grid))
    mean, variance, weight = average(torch.stack(masks, 1), torch.stack(visible)[None])
    torch.testing.assert_close(mean, masks[0], atol=2e-3, rtol=0)
    assert variance.max() < 1e-5
    assert (weight == 4).all()
    assert view_overlap(torch.stack(masks, 1), torch.stack(visible)[None]).min() > 0.95
