"""MedSAM2, small: 128 pixels, 8 x 8 cells, all weights drawn."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from promptreg.models.medsam2 import INPUTS
from promptreg.models.video import VideoSegmenter
from promptreg.models.video_net import VideoNet

SIDE, CHANNELS = 128, 128


@cache
def small_video(*, seed: int = 0) -> Any:
    """Build a `Sam2VideoModel` of four stages of widths 8 to 64 that finds most objects present."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    widths, cells = [8, 16, 32, 64], SIDE // 16
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
        backbone_feature_sizes=[[cells * n, cells * n] for n in (4, 2, 1)],
        fpn_hidden_size=CHANNELS,
    )
    decoder = {
        "hidden_size": CHANNELS,
        "mlp_dim": 64,
        "num_attention_heads": 4,
        "iou_head_hidden_dim": 32,
        "dynamic_multimask_via_stability": False,
    }
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": CHANNELS, "image_size": SIDE},
        mask_decoder_config=decoder,
        image_size=SIDE,
        memory_attention_hidden_size=CHANNELS,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_num_layers=2,
        memory_attention_rope_feat_sizes=[cells, cells],
        memory_encoder_hidden_size=CHANNELS,
        mask_downsampler_embed_dim=CHANNELS,
        memory_fuser_embed_dim=CHANNELS,
        memory_fuser_intermediate_dim=64,
    )
    return drawn(Sam2VideoModel(config), seed)


def drawn(model: Any, seed: int) -> Any:
    """Draw all weights, none at its initial zero."""
    generator = torch.Generator().manual_seed(seed)
    frequencies = model.prompt_encoder.shared_embedding.positional_embedding
    for name, tensor in [*model.named_parameters(), ("tokens of places", frequencies)]:
        gain = tensor.ndim == 1 and name.endswith(("weight", "scale"))
        token = "embed.weight" in name or "token" in name or len(tensor) == 1
        spread = 0.1 if tensor.ndim == 1 else 0.5 if token else 0.7 * tensor[0].numel() ** -0.5
        tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * spread + gain)
    model.shared_image_embedding.positional_embedding.data.copy_(frequencies)
    # A mask is remembered cut at zero; so that the last digit of a logit there does not decide what follows.
    model.memory_encoder.mask_downsampler.final_conv.weight.data *= 0.2
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(40.0)
    return model.eval()


def small_medsam2() -> VideoSegmenter:
    """Build `medsam2` with random weights."""
    return VideoSegmenter(VideoNet(small_video()), INPUTS, name="small_medsam2")


MODELS = {"small_medsam2": small_medsam2}
