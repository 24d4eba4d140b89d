import torch

from promptreg.nets.layers import Context, Pointwise, Residual, RotaryAttention, rotary_code, rotated


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_blocks_begin_as_the_identity():
    x = drawn(2, 32, 6, 7)
    for block in (Residual(32), Context(32), Pointwise(32), RotaryAttention(32, n_heads=2)):
        torch.testing.assert_close(block(x), x)


def test_products_of_rotated_vectors_depend_on_differences_of_position_alone():
    query, key = drawn(16), drawn(16, seed=1)
    cos, sin = rotary_code(8, 9, 16, query)
    queries, keys = (rotated(x.expand(72, 16), cos, sin) for x in (query, key))
    products = (queries @ keys.T).view(8, 9, 8, 9)
    torch.testing.assert_close(products[1, 2, 3, 7], products[5, 0, 7, 5], atol=1e-4, rtol=1e-4)
    assert (products[1, 2, 3, 7] - products[1, 2, 3, 6]).abs() > 1e-3


def test_rotation_keeps_lengths():
    x = drawn(12, 16)
    torch.testing.assert_close(rotated(x, *rotary_code(3, 4, 16, x)).norm(dim=1), x.norm(dim=1))


def test_gradients_reach_every_weight_of_a_block_after_one_step():
    """The last layer of a branch begins at zero, so the others have no gradient before it moved."""
    block = Residual(32)
    optimizer = torch.optim.SGD(block.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        block(drawn(2, 32, 6, 6)).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
