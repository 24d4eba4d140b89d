import torch
from small_pocket import SMALL_SIZES as SMALL
from small_pocket import scene

from promptreg.nets.decoder import plus, weighed
from promptreg.nets.pocket_net import seeded


def test_what_is_shared_is_added_to_every_prompt_of_its_image_alone():
    own, shared = torch.zeros(6, 1), torch.tensor([[1.0], [2.0]])
    assert plus(own, shared).flatten().tolist() == [1, 1, 1, 2, 2, 2]


def test_masks_are_weighed_sums_of_maps():
    maps = torch.stack([torch.full((2, 2), 3.0), torch.full((2, 2), 5.0)])[None]
    weights = torch.tensor([[[1.0, 0.0], [2.0, -1.0]]])
    assert weighed(weights, maps)[0, :, 0, 0].tolist() == [3.0, 1.0]


@torch.no_grad()
def test_the_four_masks_of_a_prompt_differ():
    net = seeded(0, SMALL)
    points, labels = torch.tensor([[[[20.0, 31.0]]]]), torch.ones(1, 1, 1, dtype=torch.long)
    logits, _ = net.decode(net.encode(scene(64)), points, labels)
    for one in range(4):
        for other in range(one):
            assert not torch.allclose(logits[0, 0, one], logits[0, 0, other])
