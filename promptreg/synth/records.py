"""Batches as frozen dataclasses: fields are tensors (N, ...), such dataclasses again, or numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

Record = TypeVar("Record")


def select_rows(record: Record, rows: Tensor) -> Record:
    """Return some of the N members of a batch, by index (R,) int64."""
    return _rebuilt(record, [_rows_of(value, rows) for value in _values(record)])


def mix_rows(record: Record, other: Record, where: Tensor) -> Record:
    """Return a batch with the members of `other` where (N,) bool is true."""
    both = zip(_values(record), _values(other), strict=True)
    return _rebuilt(record, [_mix_of(one, two, where) for one, two in both])


def _values(record: Any) -> list[Any]:
    return [getattr(record, one.name) for one in fields(record)]


def _rebuilt(record: Any, values: list[Any]) -> Any:
    return type(record)(*values)


def _rows_of(value: Any, rows: Tensor) -> Any:
    if isinstance(value, int | float):
        return value
    return value[rows] if isinstance(value, Tensor) else select_rows(value, rows)


def _mix_of(one: Any, two: Any, where: Tensor) -> Any:
    if isinstance(one, int | float):
        return one
    if isinstance(one, Tensor):
        return torch.where(where.view(-1, *[1] * (one.ndim - 1)), two, one)
    return mix_rows(one, two, where)
