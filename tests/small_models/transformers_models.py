"""SAM 2, SAM-HQ and SlimSAM of `transformers`, small: 128 pixels, 8 x 8 cells, all weights drawn."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from promptreg.models.sam2 import SQUARE, Sam2Net
from promptreg.models.sam_hq import SamHQNet
from promptreg.models.sam_settings import LONGEST_SIDE
from promptreg.models.slicewise import Slicewise
from promptreg.models.slimsam import SamNet
from promptreg.models.transformers_sam import TransformersSam

SIDE, CHANNELS = 128, 32
PROMPTS = {"hidden_size": CHANNELS, "image_size": SIDE}
DECODER = {"hidden_size": CHANNELS, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32}
VIT = {
    "hidden_size": 24,
    "mlp_dim": 40,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "output_channels": CHANNELS,
    "num_pos_feats": CHANNELS // 2,
    "global_attn_indexes": [1, 3],
    "window_size": 5,
}


@cache
def small_sam2() -> nn.Module:
    """Build a `Sam2Model` of four stages of widths 8 to 64."""
    from transformers import Sam2Config, Sam2HieraDetConfig, Sam2Model, Sam2VisionConfig

    widths = [8, 16, 32, 64]
    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 6, 4],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=CHANNELS,
    )
    return drawn(
        Sam2Model(
            Sam2Config(vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)
        )
    )


@cache
def small_sam_hq() -> nn.Module:
    """Build a `SamHQModel` of width 24 with four layers."""
    from transformers import SamHQConfig, SamHQModel

    decoder = {**DECODER, "vit_dim": 24}
    return drawn(
        SamHQModel(SamHQConfig(vision_config=VIT, prompt_encoder_config=PROMPTS, mask_decoder_config=decoder))
    )


@cache
def small_slimsam() -> nn.Module:
    """Build a `SamModel` of width 24 with four layers, perceptrons narrower than four times that."""
    from transformers import SamConfig, SamModel

    config = SamConfig(vision_config=VIT, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)
    return drawn(SamModel(config))


def drawn(module: nn.Module) -> nn.Module:
    """Draw every weight and buffer in the order of their names, none at its initial zero.

    Biases lie about a half: that opens most rectifiers, and masks of random weights have few kinks.
    """
    generator = torch.Generator().manual_seed(0)
    for name, tensor in sorted(module.state_dict(keep_vars=True).items()):
        spread = 0.1 if tensor.ndim == 1 else 1.0 if len(tensor) == 1 else tensor.shape[-1] ** -0.5
        middle = 0.0 if tensor.ndim > 1 else 1.0 if name.endswith("weight") else 0.5
        tensor.data.copy_(middle + spread * torch.randn(tensor.shape, generator=generator))
    positions = module.shared_image_embedding.positional_embedding.data
    module.prompt_encoder.shared_embedding.positional_embedding.data.copy_(positions)
    return module.eval()


def planar(kind: str) -> TransformersSam:
    """Build "sam2", "sam_hq" or "slimsam" as a planar model."""
    builds = {
        "sam2": lambda: (Sam2Net(small_sam2()), SQUARE),
        "sam_hq": lambda: (SamHQNet(small_sam_hq()), LONGEST_SIDE),
        "slimsam": lambda: (SamNet(small_slimsam()), LONGEST_SIDE),
    }
    return TransformersSam(*builds[kind](), name=kind)


MODELS = {
    "small_sam2": lambda: Slicewise(planar("sam2")),
    "small_sam_hq": lambda: Slicewise(planar("sam_hq")),
    "small_slimsam": lambda: Slicewise(planar("slimsam")),
}
