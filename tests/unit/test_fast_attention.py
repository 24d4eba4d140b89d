import pytest
import torch
from segment_anything.modeling.image_encoder import Attention
from small_sam import small_sam

from promptreg.models import fast_attention
from promptreg.models.fast_attention import FastAttention, with_fast_attention


def original(*, side=8, relative=True, channels=48, heads=3):
    attention = Attention(channels, heads, use_rel_pos=relative, input_size=(side, side))
    generator = torch.Generator().manual_seed(0)
    for parameter in attention.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[-1] ** -0.5)
    return attention.eval().requires_grad_(False)


def cells(*shape, channels=48):
    return torch.randn(*shape, channels, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2, 8, 5), (2, 11, 6)])
@pytest.mark.parametrize("relative", [True, False])
def test_it_gives_what_the_packages_own_attention_gives_also_where_tables_are_interpolated(shape, relative):
    slow, x = original(relative=relative), cells(*shape)
    torch.testing.assert_close(FastAttention(slow)(x), slow(x), atol=1e-5, rtol=0)


def test_heads_that_are_taken_in_turn_give_the_same_bits(monkeypatch):
    fast, x = FastAttention(original()), cells(2, 8, 8)
    at_once = fast(x)
    monkeypatch.setattr(fast_attention, "BIAS_ELEMENTS", 2 * 64**2)
    assert torch.equal(fast(x), at_once)


def test_half_precision_differs_from_single_precision_no_more_than_the_original_does():
    slow, x = original(), cells(2, 8, 8)
    exact = slow(x)
    with torch.autocast("cpu", torch.bfloat16):
        errors = [(one(x).float() - exact).abs().mean() for one in (FastAttention(slow), slow)]
    assert errors[0] < 1.2 * errors[1]


def test_an_encoder_keeps_its_output_and_the_names_of_its_weights():
    slow, fast = (small_sam().image_encoder for _ in range(2))
    names = list(fast.state_dict())
    assert with_fast_attention(fast) is fast
    assert not any(type(module) is Attention for module in fast.modules())
    assert list(fast.state_dict()) == names
    fast.load_state_dict(slow.state_dict(), strict=True)
    image = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(fast(image), slow(image), atol=1e-5, rtol=1e-5)


def test_an_encoder_is_one_graph_to_the_compiler():
    encoder = with_fast_attention(small_sam().image_encoder)
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        compiled = torch.compile(encoder, backend="eager", fullgraph=True)(image)
        torch.testing.assert_close(compiled, encoder(image), atol=1e-5, rtol=1e-5)


def test_derivatives_pass_through_the_tables_of_relative_positions():
    slow = original().requires_grad_()
    fast, x = FastAttention(slow), cells(1, 8, 8)
    slow(x).square().sum().backward()
    expected = slow.rel_pos_h.grad.clone()
    slow.zero_grad()
    fast(x).square().sum().backward()
    torch.testing.assert_close(fast.rel_pos_h.grad, expected, atol=1e-3, rtol=1e-4)
