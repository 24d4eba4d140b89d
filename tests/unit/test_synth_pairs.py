import pytest
import torch
from torch.nn.functional import max_pool2d, max_pool3d

from promptreg.synth import region, synth_pairs
from promptreg.synth.pairs import EXACT_SHARE
from promptreg.synth.regions import MAX_DEPTH, region_sizes

SHAPES = [(96, 80), (28, 32, 36)]


@pytest.fixture(scope="module")
def many():
    return synth_pairs(400, (32, 32), seed=1)


@pytest.fixture(scope="module", params=SHAPES, ids=["2D", "3D"])
def some(request):
    return synth_pairs(16, request.param, seed=2)


def test_equal_seeds_give_equal_pairs_and_others_do_not():
    one, again, other = (synth_pairs(6, (24, 24), seed=seed) for seed in (3, 3, 4))
    for name in vars(one):
        assert torch.equal(getattr(one, name), getattr(again, name))
    assert not torch.equal(one.first, other.first)


def test_every_tensor_is_made_on_the_wanted_device():
    with torch.device("meta"):
        pairs = synth_pairs(8, (24, 24), seed=5, device="cpu")
    assert {value.device.type for value in vars(pairs).values()} == {"cpu"}


def test_shapes_and_types_are_as_stated(some):
    n, shape = len(some.first), some.first_labels.shape[1:]
    for image in (some.first, some.second):
        assert image.shape == (n, 3, *shape)
        assert image.dtype == torch.float32
    assert some.second_labels.shape == (n, *shape)
    assert some.flow.shape == (n, *shape, len(shape))
    assert some.exact.dtype == torch.bool
    assert {some.first_labels.dtype, some.second_labels.dtype, some.parents.dtype} == {torch.int64}


def test_images_are_finite_and_in_range(some):
    for image in (some.first, some.second):
        assert image.isfinite().all()
        assert 0 <= image.min() <= image.max() <= 1


def interior(labels):
    """Cells (B, *shape) whose neighbours at a distance of up to two all have their label, border apart."""
    pool = max_pool2d if labels.ndim == 3 else max_pool3d
    padded = torch.nn.functional.pad(labels[:, None].float(), (2,) * 2 * (labels.ndim - 1), value=-1)
    most = pool(padded, 5, stride=1)[:, 0]
    return (most == labels) & (-pool(-padded, 5, stride=1)[:, 0] == labels)


def test_the_flow_of_an_exact_pair_leads_to_the_same_label(some):
    size = torch.tensor(some.first_labels.shape[1:])
    n_checked = 0
    for pair in some.exact.nonzero().flatten():
        cells = some.flow[pair].round().long()
        checked = ((cells >= 0) & (cells < size)).all(-1)
        checked &= interior(some.first_labels[pair : pair + 1])[0]
        found = some.second_labels[pair][tuple(cells.clamp_min(0).minimum(size - 1).unbind(-1))]
        agreement = (found == some.first_labels[pair])[checked].float()
        assert agreement.mean() > 0.97 or checked.sum() < 20
        n_checked += int(checked.sum() >= 20)
    assert n_checked >= 3


def test_parents_have_no_cycles_and_every_listed_label_is_seen(some):
    parents, labels = some.parents, torch.arange(some.parents.shape[1])
    ancestor = labels.expand_as(parents)
    for _ in range(MAX_DEPTH):
        ancestor = parents.gather(1, ancestor)
    assert (ancestor == 0).all()
    seen = region_sizes(some.first_labels, parents) + region_sizes(some.second_labels, parents)
    highest = (seen > 0).long().mul(labels).amax(1)
    assert highest.max() == parents.shape[1] - 1
    for row, last in enumerate(highest):
        assert (seen[row, 1 : last + 1] > 0).all()
        assert (parents[row, last + 1 :] == 0).all()


def test_the_region_of_a_parent_holds_those_of_its_children(some):
    row, child = (some.parents > 0).nonzero()[0].tolist()
    both = torch.tensor([child, int(some.parents[row, child])])
    inner, outer = region(some.first_labels[row : row + 1], some.parents[row : row + 1], both[None])[0]
    assert (outer | ~inner).all()


def test_a_quarter_of_the_images_is_in_colour_and_the_others_have_equal_channels(many):
    for image in (many.first, many.second):
        spread = (image.amax(1) - image.amin(1)).amax((1, 2))
        assert abs((spread > 0).float().mean() - 0.25) < 0.07


def test_half_of_the_pairs_is_exact(many):
    assert abs(many.exact.float().mean() - EXACT_SHARE) < 0.08


def test_flows_turn_and_scale_as_much_as_the_warps(many):
    down, right = many.flow.diff(dim=1)[:, :, :-1], many.flow.diff(dim=2)[:, :-1]
    area = (down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]).mean((1, 2))
    assert (area > 0).all()
    assert 0.45 < area.sqrt().min() < 0.65
    assert 1.6 < area.sqrt().max() < 2.3


def test_most_pairs_share_several_regions(many):
    first, second = (region_sizes(one, many.parents) for one in (many.first_labels, many.second_labels))
    shared = ((first > 10) & (second > 10))[:, 1:].sum(1)
    assert (shared >= 2).float().mean() > 0.8
    assert (shared >= 1).float().mean() > 0.95
