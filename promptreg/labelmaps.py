"""Label maps as masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def one_hot(labels: np.ndarray, values: list[int]) -> Tensor:
    """Return one boolean mask per label value, (K, *labels.shape)."""
    wanted = torch.tensor(values).reshape(-1, *([1] * labels.ndim))
    return torch.as_tensor(labels.astype(np.int64))[None] == wanted
