import torch

from promptreg.nets.attention import Attention, Places, TwoWay
from promptreg.nets.prompts import N_WAVES


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_attention_to_one_thing_returns_it_projected():
    layer = Attention(8, n_heads=2)
    query, only = drawn(1, 5, 8), drawn(1, 1, 8, seed=1)
    expected = layer.out(layer.value(only)).expand(1, 5, 8)
    torch.testing.assert_close(layer(query, only, only), expected)


@torch.no_grad()
def test_what_is_masked_is_not_attended_to():
    layer = Attention(8, n_heads=2)
    query, others = drawn(2, 3, 8), drawn(2, 4, 8, seed=1)
    real = torch.tensor([True, True, False, False]).expand(2, 4)
    torch.testing.assert_close(layer(query, others, others, real), layer(query, others[:, :2], others[:, :2]))


@torch.no_grad()
def test_tokens_and_cells_keep_their_shapes_and_answer_to_each_other():
    layer = TwoWay(16, n_heads=2)
    tokens, cells, place = drawn(2, 3, 16), drawn(2, 4, 5, 16, seed=1), drawn(2, 4, 5, 16, seed=2)
    real = torch.ones(2, 3, dtype=torch.bool)
    found, mixed = layer(tokens, cells, place, real)
    assert found.shape == tokens.shape
    assert mixed.shape == cells.shape
    assert not torch.allclose(layer(tokens, cells + 1 + place, place, real)[0], found)
    assert not torch.allclose(layer(tokens * drawn(16, seed=3), cells, place, real)[1], mixed)


@torch.no_grad()
def test_the_code_of_a_cell_is_the_sum_of_those_of_its_row_and_column():
    places = Places(8)
    rows, columns = drawn(1, 3, 2 * N_WAVES), drawn(1, 4, 2 * N_WAVES, seed=1)
    found = places(rows, columns)
    assert found.shape == (1, 3, 4, 8)
    torch.testing.assert_close(found[0, 2, 1], places.of_row(rows[0, 2]) + places.of_column(columns[0, 1]))
