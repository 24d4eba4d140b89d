import math

import pytest
import torch
from small_models.transformers_models import small_sam2, small_sam_hq, small_slimsam

from promptreg.models.two_way import attend, cell_positions, fourier, point_tokens, two_way

BUILDS = {"sam2": small_sam2, "sam_hq": small_sam_hq, "slimsam": small_slimsam}


@pytest.fixture(params=BUILDS)
def module(request):
    return BUILDS[request.param]()


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_attention_is_that_of_the_packages_module(module):
    attention = module.mask_decoder.transformer.layers[1].cross_attn_token_to_image
    query, key, value = (drawn(3, n, 32, seed=n) for n in (5, 64, 65))
    value = value[:, :64]
    expected, _ = attention(query[:, None], key[:, None], value[:, None])
    torch.testing.assert_close(attend(attention, query, key, value), expected[:, 0], atol=1e-5, rtol=1e-5)


def test_one_image_for_all_prompts_is_the_image_repeated_for_each(module):
    transformer = module.mask_decoder.transformer
    tokens, image, position = drawn(4, 7, 32), drawn(1, 64, 32, seed=1), drawn(1, 64, 32, seed=2)
    once = two_way(transformer, tokens, image, position)
    repeated = two_way(transformer, tokens, image.expand(4, -1, -1), position)
    for a, b in zip(once, repeated, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert once[1].shape == (4, 64, 32)


def test_cells_have_the_packages_position_codes(module):
    expected = module.get_image_wide_positional_embeddings()
    frequencies = module.shared_image_embedding.positional_embedding
    found = cell_positions(frequencies, 8)[0].T.unflatten(1, (8, 8))
    torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=0)


def test_points_have_the_packages_tokens_and_a_last_one_for_no_box(module):
    pixels = torch.tensor([[[3.0, 100.0], [77.5, 12.0]], [[60.0, 61.0], [0.0, 127.0]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    expected, _ = module.prompt_encoder(pixels[None], labels[None], None, None)
    found = point_tokens(module.prompt_encoder, (pixels + 0.5) / 128, labels)
    torch.testing.assert_close(found, expected[0], atol=1e-4, rtol=1e-4)
    assert found.shape == (2, 3, 32)


def test_the_position_code_of_a_point_is_sines_then_cosines_of_x_and_y():
    frequencies = torch.tensor([[0.25, 0.0], [0.0, 0.5]])
    found = fourier(frequencies, torch.tensor([1.0, 0.75]))
    phases = (2 * math.pi * 0.25, 2 * math.pi * 0.5 * 0.5)
    expected = [math.sin(phases[0]), math.sin(phases[1]), math.cos(phases[0]), math.cos(phases[1])]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=0)
