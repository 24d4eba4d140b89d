import pytest
import torch
from segment_anything import sam_model_registry
from small_adapter import small_adapter
from small_sam import small_sam

from promptreg.nets.adapter_vit import AdapterViT, attended_along_depth, attended_in_slices


def stack(depth=3, side=128):
    return torch.randn(depth, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def encoder():
    return small_sam().image_encoder


@pytest.fixture(scope="module")
def drawn():
    return small_adapter(drawn=True).sam.image_encoder


def test_without_training_the_encoder_is_that_of_segment_anything_exactly(encoder):
    slices = stack()
    with torch.no_grad():
        torch.testing.assert_close(AdapterViT(encoder)(slices), encoder(slices), atol=1e-5, rtol=1e-5)


def test_the_adapters_of_vit_b_have_10_65_million_parameters_three_in_a_block():
    with torch.device("meta"):
        adapted = AdapterViT(sam_model_registry["vit_b"]().image_encoder)
    assert sum(one.numel() for one in adapted.adapters.parameters()) == 10_651_392
    assert len(adapted.adapters) == 12
    assert [len(list(one.children())) for one in adapted.adapters] == [3] * 12


def test_no_tensor_of_the_encoder_is_renamed_or_lost(encoder):
    names = {
        name.removeprefix("encoder.") for name in AdapterViT(encoder).state_dict() if "adapters" not in name
    }
    assert names == set(encoder.state_dict())
    assert sum("rel_pos" in name for name in names) == 4


def test_relative_positions_matter(drawn):
    table = drawn.encoder.blocks[1].attn.rel_pos_h
    before, kept = drawn(stack()), table.data.clone()
    table.data.zero_()
    after = drawn(stack())
    table.data.copy_(kept)
    assert (after - before).abs().max() > 1e-3


def test_slices_see_each_other_only_with_drawn_adapters(encoder, drawn):
    slices = stack()
    other = slices.clone()
    other[2] += 1
    for model, seen in ((AdapterViT(encoder), False), (drawn, True)):
        with torch.no_grad():
            change = (model(other) - model(slices))[:2].abs().max()
        assert (change > 1e-4) == seen


def test_the_same_place_of_other_slices_is_seen_and_no_other_place(encoder):
    tokens = torch.randn(4, 3, 5, 32, generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[3, 1, 2] += 1
    change = (
        (
            attended_along_depth(encoder.blocks[0].attn, other)
            - attended_along_depth(encoder.blocks[0].attn, tokens)
        )
        .abs()
        .amax(-1)
    )
    assert (change > 1e-4).nonzero()[:, 1:].unique(dim=0).tolist() == [[1, 2]]
    assert (change[:, 1, 2] > 1e-4).all()


def test_attention_along_depth_is_attention_of_the_column_as_an_image_of_one_column(encoder):
    attention = encoder.blocks[1].attn
    tokens = torch.randn(4, 2, 2, 32, generator=torch.Generator().manual_seed(0))
    column = attention(tokens[:, 1, 0][None, :, None])[0, :, 0]
    torch.testing.assert_close(attended_along_depth(attention, tokens)[:, 1, 0], column)


@pytest.mark.parametrize("index", [0, 1], ids=["windows", "whole slice"])
def test_attention_in_slices_is_that_of_the_block(encoder, index):
    block = encoder.blocks[index]
    tokens = torch.randn(2, 8, 8, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = tokens + attended_in_slices(block, block.norm1(tokens))
        found = found + block.mlp(block.norm2(found))
        torch.testing.assert_close(found, block(tokens))


def test_a_single_slice_is_a_stack_of_depth_one(drawn):
    assert drawn(stack(1)).shape == (1, 32, 8, 8)


def test_only_the_second_layers_move_first_and_the_first_layers_then(encoder):
    model = AdapterViT(small_sam().image_encoder)
    model(stack()).square().sum().backward()
    one = model.adapters[0].space
    assert one.up.weight.grad.abs().max() > 0
    assert one.down.weight.grad.abs().max() == 0


def test_the_first_weights_depend_on_the_seed_and_leave_the_global_generator_alone(encoder):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, again, other = (AdapterViT(encoder, seed=seed).adapters[0].mlp.down.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
