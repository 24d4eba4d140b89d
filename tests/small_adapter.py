"""A small Segment Anything with adapters and random weights, and labelled volumes to train it on."""

from __future__ import annotations

import numpy as np
import torch
from segment_anything.modeling import Sam
from small_sam import small_sam

from promptreg.geometry import default_affine
from promptreg.models.adapter3d import SamAdapter
from promptreg.types import Grid, Image


def small_adapter(*, drawn: bool = False, depth: int = 4, seed: int = 0) -> SamAdapter:
    """Build it untrained, or with all weights of the adapters `drawn` as if it had been trained."""
    model = SamAdapter(small_sam(seed=seed), depth=depth, seed=seed)
    if drawn:
        generator = torch.Generator().manual_seed(seed)
        for one in model.sam.image_encoder.adapters.parameters():
            one.data.copy_(0.2 * torch.randn(one.shape, generator=generator))
    return model


def untrained_sam(*, side: int = 64, seed: int = 0) -> Sam:
    """Build one with the weights that its layers begin with, from which it can learn; no weight is zero."""
    sam = small_sam(side=side)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in sam.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    generator = torch.Generator().manual_seed(seed)
    encoder = sam.image_encoder
    tables = [table for block in encoder.blocks for table in (block.attn.rel_pos_h, block.attn.rel_pos_w)]
    for tensor in (encoder.pos_embed, *tables):
        tensor.data.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
    return sam


def blobs(seed: int, *, shape: tuple[int, ...] = (6, 48, 48)) -> tuple[Image, np.ndarray]:
    """A noisy volume or picture with a bright ellipsoid, label 1, and a dark one, label 2, anywhere."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    labels = np.zeros(shape, np.int32)
    for label, side in ((1, -1.0), (2, 1.0)):
        centre = rng.uniform(-0.3, 0.3, len(shape))
        centre[-1] = side * rng.uniform(0.35, 0.5)
        labels[(((places - centre) / rng.uniform(0.35, 0.5, len(shape))) ** 2).sum(-1) < 1] = label
    values = 100 + 60 * (labels == 1) - 60 * (labels == 2) + 8 * rng.standard_normal(shape)
    spacing = (4.0, 1.0, 1.0)[-len(shape) :]
    grid = Grid(shape, default_affine(len(shape), spacing))
    return Image(torch.from_numpy(values[None]).float(), grid, f"blobs {seed}"), labels
