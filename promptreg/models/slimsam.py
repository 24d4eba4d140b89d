"""SlimSAM (Chen et al., arXiv:2312.05284): Segment Anything with a pruned ViT-B, by `transformers`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from promptreg.models.sam_settings import LONGEST_SIDE
from promptreg.models.slicewise import Slicewise
from promptreg.models.transformers_attention import fuse
from promptreg.models.transformers_sam import Encoded, TransformersSam
from promptreg.models.transformers_weights import loaded
from promptreg.models.two_way import masks_from, prompted

WIDTHS = {"slimsam_50": (384, 1536), "slimsam_77": (168, 696)}
"""Width of the pruned encoder and of its perceptrons; of 12 layers and 12 heads none is taken away."""


class SamNet:
    """A `SamModel`."""

    def __init__(self, module: Any) -> None:
        fuse(module.vision_encoder)
        self.module = module
        self.side: int = module.prompt_encoder.input_image_size

    def encode(self, pixels: Tensor) -> Encoded:
        """Encode N normalized images (N, 3, side, side)."""
        return Encoded(self.module.vision_encoder(pixels).last_hidden_state)

    def masks(self, encoded: Encoded, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, 4, 4 n, 4 n) and their IoUs (B, 4) of prompt tokens (B, T, C) on one image (C, n, n)."""
        decoder = self.module.mask_decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        attended, cells = prompted(self.module, own, encoded.features, prompts)
        fine = gelu(decoder.upscale_layer_norm(decoder.upscale_conv1(cells)))
        fine = gelu(decoder.upscale_conv2(fine))
        masks = masks_from(decoder.output_hypernetworks_mlps, attended[:, 1:], fine)
        return masks, decoder.iou_prediction_head(attended[:, 0])


def config(name: str) -> Any:
    """Return the `SamConfig` of one of `WIDTHS`."""
    from transformers import SamConfig, SamVisionConfig

    width, hidden = WIDTHS[name]
    return SamConfig(vision_config=SamVisionConfig(hidden_size=width, mlp_dim=hidden))


def build(name: str) -> Any:
    """Return the `SamModel` of one of `WIDTHS`, with weights to be overwritten."""
    from transformers import SamModel

    return SamModel(config(name))


def from_checkpoint(name: str) -> TransformersSam:
    """Build "slimsam_50" or "slimsam_77" with its published weights, every key matched.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape.
    """
    module = loaded(name, lambda: build(name))
    return TransformersSam(SamNet(module), LONGEST_SIDE, name=name)


class SlimSam50(Slicewise):
    """SlimSAM with half of its parameters and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("slimsam_50"))


class SlimSam77(Slicewise):
    """SlimSAM without 77 % of its parameters, with its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("slimsam_77"))
