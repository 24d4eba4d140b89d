"""Data of one image on the grid of another."""

import numpy as np
import torch

from promptreg.geometry import default_affine, resized
from promptreg.regrid import brought
from promptreg.types import Grid


def test_data_brought_to_larger_cells_are_averaged():
    source = Grid((8, 8), default_affine(2))
    checkered = torch.ones(1, 8, 8)
    checkered[:, ::2] = -1
    found = brought(checkered, source, resized(source, (4, 4)), np.eye(3))
    torch.testing.assert_close(found, torch.zeros(1, 4, 4))
