import numpy as np
import pytest
import torch
from small_sam import small_sam
from toy_model import ToyModel

from promptreg.geometry import default_affine, index_to_world, resample, world_to_index
from promptreg.models.sam import SegmentAnything
from promptreg.models.slice_grids import lift, lower, plane_of, slicing_axis
from promptreg.models.slicewise import OUTSIDE, Slicewise, with_candidates
from promptreg.types import Candidates, Grid, Image

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)


class PlanarToy(ToyModel):
    """The planar toy with what the slice-wise wrapper asks for."""

    def __init__(self, **options):
        super().__init__(2, **options)

    def prepare(self, data):
        return (data - data.mean()) / data.abs().amax()

    def embed_stack(self, prepared, grid):
        return [self.embed(Image(one, grid)) for one in prepared]


def bar(shape=(9, 24, 20), *, slices=slice(2, 7), rows=slice(4, 12), columns=slice(10, 17)):
    """A volume (1, Z, Y, X) with noise and one bright bar, and the bar (Z, Y, X)."""
    truth = torch.zeros(shape)
    truth[slices, rows, columns] = 1
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return (3 * truth + 0.05 * noise)[None], truth


def dice(a, b):
    return (2 * (a * b).sum() / (a.sum() + b.sum())).item()


def click(*point):
    return torch.tensor([[point]], dtype=torch.float32), torch.ones(1, 1, dtype=torch.long)


@pytest.fixture(scope="module")
def model():
    return Slicewise(PlanarToy())


def test_the_coarsest_axis_is_sliced_and_the_first_of_equals():
    assert slicing_axis(Grid((5, 6, 7), OBLIQUE)) == 0
    assert slicing_axis(Grid((5, 6, 7), default_affine(3, (1, 1, 3)))) == 2
    assert slicing_axis(Grid((5, 6, 7), default_affine(3, (2, 2, 2)))) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lowering_a_lifted_grid_returns_it(axis):
    volume = Grid((5, 6, 7), OBLIQUE)
    planar = Grid((3, 4), np.array([[0.3, 2.0, 1.0], [1.5, 0.1, -2.0], [0, 0, 1.0]]))
    back = lower(lift(planar, volume, axis), volume, axis)
    assert back.shape == planar.shape
    np.testing.assert_allclose(back.affine, planar.affine, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_lifted_plane_of_a_volume_is_the_volume(axis):
    volume = Grid((5, 6, 7), OBLIQUE)
    lifted = lift(plane_of(volume, axis), volume, axis)
    assert lifted.shape == volume.shape
    np.testing.assert_allclose(lifted.affine, volume.affine, atol=1e-12)


def test_a_planar_image_passes_straight_through(model):
    data, _ = bar()
    image = Image(data[:, 4], Grid((24, 20), default_affine(2)))
    embedding = model.embed(image)
    points, labels = torch.tensor([[[8.0, 13.0]]]), torch.ones(1, 1, dtype=torch.long)
    expected = model.planar.decode(model.planar.embed(image), points, labels)
    assert torch.equal(model.decode(embedding, points, labels).logits, expected.logits)


def test_a_bar_is_followed_through_its_slices_and_no_further(model):
    data, truth = bar()
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    logits = model.decode(embedding, *click(3.0, 7.0, 13.0)).logits
    assert logits.shape == (1, 1, *truth.shape)
    assert dice(logits[0, 0].sigmoid(), truth) > 0.9
    assert (logits[0, 0, [0, 1, 7, 8]] == OUTSIDE).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slicing_axis_of_the_array_does_not_matter(model, axis):
    data, truth = bar()
    order = {0: (0, 1, 2), 1: (1, 0, 2), 2: (1, 2, 0)}[axis]
    permutation = np.eye(4)[:, [*order, 3]]
    turned = Grid(tuple(truth.shape[a] for a in order), OBLIQUE @ permutation)
    embedding = model.embed(Image(data[0].permute(order)[None].contiguous(), turned))
    point = torch.tensor([3.0, 7.0, 13.0])[list(order)]
    logits = model.decode(embedding, *click(*point.tolist())).logits[0, 0]
    straight = Grid(truth.shape, OBLIQUE)
    back = resample(logits.sigmoid()[None], embedding.mask_grid, straight)[0]
    assert dice(back, truth) > 0.9


def test_mask_and_feature_cells_lie_where_the_slices_lie_in_the_world():
    model = Slicewise(SegmentAnything(small_sam()))
    volume = Grid((30, 40, 7), OBLIQUE @ np.eye(4)[:, [1, 2, 0, 3]])
    embedding = model.embed(Image(torch.rand(1, *volume.shape), volume))
    assert embedding.features.shape == (32, 6, 8, 7)
    assert embedding.mask_grid.shape == (24, 32, 7)
    for grid, cell in ((embedding.feature_grid, 5.0), (embedding.mask_grid, 1.25)):
        first = world_to_index(volume, index_to_world(grid, torch.tensor([0.0, 0.0, 4.0])))
        torch.testing.assert_close(
            first, torch.tensor([cell / 2 - 0.5, cell / 2 - 0.5, 4.0]), atol=1e-4, rtol=0
        )


def test_a_slice_of_the_feature_volume_is_the_planar_embedding_under_the_volumes_window():
    planar = SegmentAnything(small_sam())
    model = Slicewise(planar)
    data = torch.rand(1, 9, 24, 20, generator=torch.Generator().manual_seed(0)) + 1
    data[0, 4] *= 0.2
    grid = Grid((9, 24, 20), OBLIQUE)
    stacked = model.embed(Image(data, grid)).features[:, 4]
    plane = plane_of(grid, 0)
    expected = planar.embed_stack(planar.prepare(data)[:, 4][None], plane)[0].features
    torch.testing.assert_close(stacked, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(stacked, planar.embed(Image(data[:, 4], plane)).features, atol=1e-2)


def test_prompts_decoded_together_are_those_decoded_one_by_one(model):
    data, truth = bar()
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    points = torch.tensor([[[3.0, 7.0, 13.0]], [[5.0, 5.0, 11.0]], [[3.0, 20.0, 3.0]], [[0.0, 1.0, 1.0]]])
    labels = torch.ones(4, 1, dtype=torch.long)
    together = model.decode(embedding, points, labels)
    for i in range(4):
        alone = model.decode(embedding, points[i : i + 1], labels[:1])
        torch.testing.assert_close(together.logits[i], alone.logits[0], atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(together.scores[i], alone.scores[0])


def test_a_negative_point_acts_on_its_own_slice_only(model):
    data, truth = bar()
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    points = torch.tensor([[[3.0, 7.0, 13.0], [5.0, 5.0, 15.0]]])
    with_negative = model.decode(embedding, points, torch.tensor([[1, 0]])).logits[0, 0]
    without = model.decode(embedding, points, torch.tensor([[1, -1]])).logits[0, 0]
    torch.testing.assert_close(with_negative[2:5], without[2:5])
    assert with_negative[5, 5, 15] < without[5, 5, 15] - 1


def test_a_positive_point_beyond_a_gap_is_reached(model):
    data, truth = bar()
    data[0, 5] = 0.0
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    points = torch.tensor([[[3.0, 7.0, 13.0], [6.0, 7.0, 13.0]]])
    alone = model.decode(embedding, points, torch.tensor([[1, -1]])).logits[0, 0]
    joined = model.decode(embedding, points, torch.tensor([[1, 1]])).logits[0, 0]
    assert (alone[6] == OUTSIDE).all()
    assert dice(joined[6].sigmoid(), truth[6]) > 0.8


def test_a_region_that_turns_into_what_surrounded_it_is_not_carried_on(model):
    data, truth = bar()
    data[0, 5:] = 0.05 * torch.randn(4, 24, 20, generator=torch.Generator().manual_seed(1))
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    logits = model.decode(embedding, *click(3.0, 7.0, 13.0)).logits[0, 0]
    assert (logits[5:] == OUTSIDE).all()
    assert dice(logits[4].sigmoid(), truth[4]) > 0.8


def test_the_padding_of_a_batch_does_not_change_a_prompt(model):
    data, truth = bar()
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    points = torch.tensor([[[3.0, 7.0, 13.0], [8.0, 1.0, 1.0]]])
    padded = model.decode(embedding, points, torch.tensor([[1, -1]])).logits
    torch.testing.assert_close(padded, model.decode(embedding, *click(3.0, 7.0, 13.0)).logits)


def test_derivatives_within_slices_pass_through_and_across_slices_are_zero(model):
    data, truth = bar()
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    points, labels = click(3.2, 7.0, 13.0)

    def mass(p):
        return model.decode(embedding, p, labels).logits.sigmoid().sum()

    slopes = [torch.func.jvp(mass, (points,), (e[None, None],))[1].item() for e in torch.eye(3)]
    leaf = points.clone().requires_grad_()
    mass(leaf).backward()
    np.testing.assert_allclose(leaf.grad[0, 0].numpy(), slopes, rtol=1e-3, atol=1e-4)
    assert slopes[0] == 0
    step = torch.tensor([0.0, 0.02, 0.0])
    difference = (mass(points + step) - mass(points - step)).item() / 0.04
    assert slopes[1] == pytest.approx(difference, rel=0.05, abs=1e-2)


def test_candidates_of_slices_with_fewer_masks_repeat_the_best():
    logits = torch.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2)
    found = with_candidates(Candidates(logits, torch.tensor([[0.1, 0.9, 0.2], [0.5, 0.4, 0.3]])), 2)
    assert torch.equal(found.logits[0], logits[0, [1, 1]])
    assert torch.equal(found.logits[1], logits[1, [0, 0]])
    torch.testing.assert_close(found.scores, torch.tensor([[0.9, 0.9], [0.5, 0.5]]))


def test_a_prompt_outside_the_stack_is_decoded_on_the_nearest_slice(model):
    data, truth = bar(slices=slice(0, 4))
    embedding = model.embed(Image(data, Grid(truth.shape, OBLIQUE)))
    logits = model.decode(embedding, *click(-0.4, 7.0, 13.0)).logits[0, 0]
    assert dice(logits.sigmoid(), truth) > 0.9


def padded_bar():
    """A volume (1, 16, Y, X) with a body in slices 5 to 10, noise from 4 to 11, and padding."""
    data, _ = bar((16, 24, 20), slices=slice(6, 10))
    data[0, 5:11, 3:21, 3:17] += 2
    data[0, :4], data[0, 12:] = 0, 0
    return Image(40 * data + 100, Grid((16, 24, 20), OBLIQUE))


def test_slices_of_padding_are_encoded_once():
    planar = SegmentAnything(small_sam())
    encoded = []
    planar.sam.image_encoder.register_forward_hook(lambda _, inputs, __: encoded.append(len(inputs[0])))
    embedding = Slicewise(planar).embed(padded_bar())
    assert sum(encoded) == 9
    assert embedding.features.shape[1] == 16
    assert torch.equal(embedding.features[:, 0], embedding.features[:, 3])
    assert torch.equal(embedding.features[:, 0], embedding.features[:, 15])


@pytest.mark.parametrize("planar", [PlanarToy(), SegmentAnything(small_sam())], ids=["toy", "sam"])
def test_encoding_padding_once_changes_nothing(planar, monkeypatch):
    model, image = Slicewise(planar), padded_bar()
    skipped = model.embed(image)
    monkeypatch.setattr(
        "promptreg.models.slicewise.standing_for", lambda image, axis: torch.arange(image.grid.shape[axis])
    )
    whole = model.embed(image)
    torch.testing.assert_close(skipped.features, whole.features, atol=1e-5, rtol=1e-5)
    points = torch.tensor([[[5.0, 6.0, 12.0]], [[7.0, 12.0, 9.0]], [[10.0, 18.0, 5.0]]])
    labels = torch.ones(3, 1, dtype=torch.long)
    found, expected = (model.decode(one, points, labels) for one in (skipped, whole))
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=1e-5)
