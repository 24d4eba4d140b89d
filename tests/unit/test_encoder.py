import torch
from small_pocket import SMALL_SIZES as SMALL
from small_pocket import scene

from promptreg.nets.pocket_net import seeded


@torch.no_grad()
def test_maps_have_the_strides_and_channels_that_they_state():
    encoded = seeded(0).encode(torch.rand(2, 3, 64, 96))
    assert encoded.embedding.shape == (2, 128, 16, 24)
    assert encoded.tokens.shape == (2, 64, 8, 12)
    assert encoded.skip4.shape == (2, 32, 16, 24)
    assert encoded.skip2.shape == (2, 16, 32, 48)


@torch.no_grad()
def test_the_embedding_has_unit_length_everywhere():
    lengths = seeded(0).encode(scene(64)).embedding.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_the_network_has_at_most_six_million_parameters():
    assert sum(p.numel() for p in seeded(0).parameters()) < 6e6


@torch.no_grad()
def test_an_image_shifted_by_whole_strides_has_shifted_features_away_from_the_border():
    """The frame around the scene is flat and wide, so that both views show the same to the norms."""
    net = seeded(0, SMALL).eval()
    inner = scene(64)
    views = []
    for shift in (0, 16):
        image = torch.full((1, 3, 256, 256), 0.5)
        image[..., 96 + shift : 160 + shift, 96:160] = inner
        views.append(net.encode(image).embedding)
    still, moved = views[0][..., 24:40, 24:40], views[1][..., 28:44, 24:40]
    unmoved = views[1][..., 24:40, 24:40]
    assert (still - moved).norm(dim=1).mean() < 0.02
    assert (still - unmoved).norm(dim=1).mean() > 0.2


@torch.no_grad()
def test_an_image_without_content_has_the_same_tokens_everywhere():
    tokens = seeded(0, SMALL).encode(torch.full((1, 3, 64, 64), 0.3)).tokens
    torch.testing.assert_close(tokens, tokens[..., :1, :1].expand_as(tokens), atol=1e-3, rtol=0)


@torch.no_grad()
def test_images_of_a_batch_are_encoded_each_on_its_own():
    net, images = seeded(0, SMALL).eval(), torch.cat([scene(64, 1), scene(64, 2)])
    together = net.encode(images)
    alone = net.encode(images[1:])
    torch.testing.assert_close(together.embedding[1:], alone.embedding, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.tokens[1:], alone.tokens, atol=1e-4, rtol=1e-4)


def test_the_seed_decides_about_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one, same, other = seeded(0, SMALL), seeded(0, SMALL), seeded(1, SMALL)
    assert torch.equal(torch.rand(2), expected)
    weights = [net.encoder.stem.weight for net in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
