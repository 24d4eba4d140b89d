"""Names of tensors in the files of the authors of SAM 2 and SAM-HQ, turned into those of `transformers`.

Both kinds of file then load into the same model; which kind a file is shows in its keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor

Rule = tuple[str, str]
"""A regular expression and what replaces it."""

HEADS = r"(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head|hf_mlp)"

SHARED: tuple[Rule, ...] = (
    (rf"{HEADS}\.layers\.0\.", r"\1.proj_in."),
    (rf"{HEADS}\.layers\.1\.", r"\1.layers.0."),
    (rf"{HEADS}\.layers\.2\.", r"\1.proj_out."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
)

SAM2: tuple[Rule, ...] = (
    (r"^sam_(mask_decoder|prompt_encoder)\.", r"\1."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"\.out_proj\.", ".o_proj."),
    *SHARED,
)

SAM_HQ: tuple[Rule, ...] = (
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.", "vision_encoder."),
    (r"compress_vit_feat\.0\.", "compress_vit_conv1."),
    (r"compress_vit_feat\.1\.", "compress_vit_norm."),
    (r"compress_vit_feat\.3\.", "compress_vit_conv2."),
    (r"embedding_encoder\.0\.", "encoder_conv1."),
    (r"embedding_encoder\.1\.", "encoder_norm."),
    (r"embedding_encoder\.3\.", "encoder_conv2."),
    (r"embedding_maskfeature\.0\.", "mask_conv1."),
    (r"embedding_maskfeature\.1\.", "mask_norm."),
    (r"embedding_maskfeature\.3\.", "mask_conv2."),
    *SHARED,
    (r"\.hf_mlp\.", ".hq_mask_mlp."),
    (r"\.hf_token\.", ".hq_token."),
)

SAM2_VIDEO = re.compile(
    r"(memory_attention|memory_encoder|mask_downsample|obj_ptr_proj|obj_ptr_tpos_proj|object_pointer_proj"
    r"|temporal_positional_encoding_projection_layer)\."
    r"|(maskmem_tpos_enc|memory_temporal_positional_encoding|no_mem_pos_enc|no_memory_positional_encoding"
    r"|no_obj_ptr|no_object_pointer|no_obj_embed_spatial|occlusion_spatial_embedding_parameter)$"
)
"""Names, in either kind of file, of what follows objects through videos; single images do not pass there."""


def sam2_image_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a SAM 2 file of either kind that single images need, as `Sam2Model` has them."""
    kept = {key: value for key, value in state.items() if not SAM2_VIDEO.match(key)}
    if not any(key.startswith("image_encoder.") for key in kept):
        return kept
    renamed = {_renamed(key, SAM2): value for key, value in kept.items()}
    kinds = [f"prompt_encoder.point_embed.{i}.weight" for i in range(4)]
    if all(kind in renamed for kind in kinds):
        renamed["prompt_encoder.point_embed.weight"] = torch.cat([renamed.pop(kind) for kind in kinds])
    return renamed


def sam_hq_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a SAM-HQ file of either kind as `SamHQModel` has them."""
    if not any(key.startswith("image_encoder.") for key in state):
        return dict(state)
    return {_renamed(key, SAM_HQ): value for key, value in state.items()}


def _renamed(key: str, rules: Iterable[Rule]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
