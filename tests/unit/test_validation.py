import torch
from tiny_training import shifted_pair, tiny_config

from promptreg.nets.encoder import Encoded
from promptreg.training.batch import make_batch
from promptreg.training.validation import validate, validation_set

CPU = torch.device("cpu")


class Oracle:
    """Knows two boxes by their grey value: masks of the clicked value, features that name it."""

    def encode(self, images):
        fine = images[:, :1, ::2, ::2]
        codes = [(images[:, 0, ::4, ::4] == value).float() for value in (0.0, 0.5, 1.0)]
        embedding = torch.nn.functional.normalize(torch.stack(codes, dim=1), dim=1)
        return Encoded(embedding=embedding, tokens=fine, skip4=fine, skip2=fine)

    def decode(self, encoded, points, labels):
        cells = (points[:, :, 0] / 2).round().long().clamp(0, 15)
        item = torch.arange(len(points))[:, None]
        clicked = encoded.skip2[item, 0, cells[..., 0], cells[..., 1]]
        mask = (encoded.skip2 == clicked[..., None, None]).float() * 2 - 1
        scores = torch.tensor([0.0, 0.1, 0.9, 0.5]).expand(*mask.shape[:2], 4)
        return torch.stack([mask, -mask, mask, -mask], dim=2), scores


def test_a_perfect_network_scores_one_except_for_points_that_look_alike():
    batch = make_batch(shifted_pair(4), 2, torch.Generator().manual_seed(0))
    found = validate(Oracle(), [batch], tiny_config())
    assert found["one_click"] > 0.95
    assert found["best_of_3"] > 0.95
    assert found["several"] > 0.95
    assert found["proto_hit"] == 1.0
    assert found["point_hit"] < 0.9


def test_the_validation_set_is_the_same_at_every_run():
    config = tiny_config(validation_pairs=5)
    one, two = validation_set(config, CPU), validation_set(config, CPU)
    assert [len(batch.images) for batch in one] == [8, 2]
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.truth, b.truth)
