import pytest
import torch
from small_models.video_models import SIDE, small_video

from promptreg.models.video_net import Levels, Masks, VideoNet, best_of, each_of

CELLS = SIDE // 16


@pytest.fixture(scope="module")
def net():
    return VideoNet(small_video())


@pytest.fixture(scope="module")
def levels(net):
    return net.encode(torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))


def masks():
    scores = torch.tensor([[0.1, 0.9, 0.3], [0.8, 0.2, 0.7]])
    logits = torch.arange(6.0).view(2, 3, 1, 1).expand(-1, -1, 4, 4)
    return Masks(logits, scores, logits[..., 0], torch.tensor([[2.0], [-1.0]]))


def test_the_encoder_gives_three_levels_each_twice_as_fine_as_the_last(levels):
    assert [tuple(one.shape) for one in (levels.coarse, levels.middle, levels.fine)] == [
        (2, 128, CELLS, CELLS),
        (2, 32, 2 * CELLS, 2 * CELLS),
        (2, 16, 4 * CELLS, 4 * CELLS),
    ]


def test_prompts_of_unlike_lengths_are_decoded_as_alone_and_a_single_mask_stands_three_times(net, levels):
    points = torch.tensor([[[30.0, 90.0], [100.0, 20.0]], [[64.0, 10.0], [0.0, 0.0]]])
    labels = torch.tensor([[1, 0], [1, -1]])
    both = net.clicked(levels, points, labels)
    two = net.clicked(levels.rows(torch.tensor([0])), points[:1], labels[:1])
    one = net.clicked(levels.rows(torch.tensor([1])), points[1:, :1], labels[1:, :1])
    assert (two.logits.shape[1], one.logits.shape[1], both.logits.shape[1]) == (1, 3, 3)
    torch.testing.assert_close(both.logits[:1], two.logits.expand(-1, 3, -1, -1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both.logits[1:], one.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both.presence, torch.cat([two.presence, one.presence]), atol=1e-4, rtol=1e-4)


def test_an_absent_object_is_remembered_by_its_own_tokens_whatever_its_mask(net, levels):
    chosen = best_of(net.clicked(levels, torch.full((2, 1, 2), 40.0), torch.ones(2, 1, dtype=torch.long)))
    gone = type(chosen)(chosen.logits, chosen.token, torch.full((2, 1), -3.0))
    other = type(chosen)(-chosen.logits, chosen.token.flip(1), gone.presence)
    never = torch.zeros(2, dtype=torch.bool)
    first, second = (net.remember(levels, one, clicked=never) for one in (gone, other))
    torch.testing.assert_close(first.cells, second.cells)
    torch.testing.assert_close(first.pointer, net.model.no_object_pointer.expand(2, -1))


def test_where_a_region_was_clicked_its_mask_is_remembered_cut_at_zero(net, levels):
    chosen = best_of(net.clicked(levels, torch.full((2, 1, 2), 40.0), torch.ones(2, 1, dtype=torch.long)))
    larger = type(chosen)(5 * chosen.logits, chosen.token, chosen.presence)
    for clicked, same in ((True, True), (False, False)):
        which = torch.full((2,), clicked)
        first, second = (net.remember(levels, one, clicked=which).cells for one in (chosen, larger))
        assert torch.allclose(first, second, atol=1e-5) == same


def test_the_best_mask_is_that_of_the_highest_score_and_each_one_a_region_of_its_own():
    assert best_of(masks()).logits[:, 0, 0].tolist() == [1.0, 3.0]
    every = each_of(masks())
    assert every.logits[:, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert every.presence[:, 0].tolist() == [2.0] * 3 + [-1.0] * 3


def test_rows_of_a_batch_are_taken_from_all_of_its_tensors():
    found = Levels(*(torch.arange(3.0)[:, None] for _ in range(3))).rows(torch.tensor([2, 0]))
    assert found.fine[:, 0].tolist() == [2.0, 0.0]
