import torch

from promptreg.geometry import default_affine, resized
from promptreg.models.opinions import learned_masks, opinion_cues
from promptreg.types import Candidates, Grid

IMAGE = Grid((40, 60), default_affine(2))


def test_masks_keep_their_place_in_the_world_and_a_single_one_stands_three_times():
    logits = torch.full((2, 1, 20, 30), -1.0)
    logits[:, :, 5:10, 20:25] = 1
    found, own = learned_masks(
        Candidates(logits, torch.tensor([[0.3], [0.8]])), resized(IMAGE, (80, 120)), IMAGE
    )
    assert found.shape == (2, 3, 80, 120)
    assert own.tolist() == torch.tensor([[0.3] * 3, [0.8] * 3]).tolist()
    assert (found[0, 1] > 0).nonzero().float().mean(0).tolist() == [29.5, 89.5]


def test_three_masks_stay_three():
    logits = torch.randn(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    scores = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    found, own = learned_masks(Candidates(logits, scores), resized(IMAGE, (20, 30)), IMAGE)
    torch.testing.assert_close(found, logits)
    assert torch.equal(own, scores)


def test_every_candidate_is_compared_with_the_one_that_the_learned_model_likes_best():
    masks = torch.zeros(1, 6, 4, 4, dtype=torch.bool)
    masks[0, 0, :2] = True
    masks[0, 3], masks[0, 4, :2], masks[0, 5, :1] = True, True, True
    cues = opinion_cues(masks, torch.tensor([[0.2, 0.9, 0.5]]))[0]
    assert cues[:, 0].tolist() == torch.tensor([0, 0, 0, 0.2, 0.9, 0.5]).tolist()
    assert (cues[:, 1] == 0.9).all()
    assert cues[:, 2].tolist() == [1, 0, 0, 0.5, 1, 0.5]
