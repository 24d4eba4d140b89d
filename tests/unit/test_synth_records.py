from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.records import mix_rows, select_rows


@dataclass(frozen=True)
class Inner:
    values: Tensor


@dataclass(frozen=True)
class Outer:
    inner: Inner
    flags: Tensor
    size: int


def outer(start):
    return Outer(Inner(torch.arange(start, start + 6).view(3, 2)), torch.arange(start, start + 3), 7)


def test_selected_rows_come_from_every_tensor_at_any_depth():
    chosen = select_rows(outer(0), torch.tensor([2, 0]))
    assert chosen.inner.values.tolist() == [[4, 5], [0, 1]]
    assert chosen.flags.tolist() == [2, 0]
    assert chosen.size == 7


def test_mixed_rows_are_those_of_the_other_batch_where_wanted():
    mixed = mix_rows(outer(0), outer(10), torch.tensor([False, True, False]))
    assert mixed.inner.values.tolist() == [[0, 1], [12, 13], [4, 5]]
    assert mixed.flags.tolist() == [0, 11, 2]
