"""Weights of SAM 2 for videos in their published layout, under the names of `transformers.Sam2VideoModel`.

The published names are those of the authors' repository, which MedSAM2 has kept. Everything is renamed one
to one, but for two tensors: the four point embeddings become one, and the frequencies of the point code
stand twice.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from promptreg.models.original_keys import SAM2, Rule
from promptreg.models.transformers_weights import positions_shared

VIDEO: tuple[Rule, ...] = (
    (r"^obj_ptr_proj\.layers\.0\.", "object_pointer_proj.proj_in."),
    (r"^obj_ptr_proj\.layers\.1\.", "object_pointer_proj.layers.0."),
    (r"^obj_ptr_proj\.layers\.2\.", "object_pointer_proj.proj_out."),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"(memory_fuser\.layers\.\d+)\.norm\.", r"\1.layer_norm."),
    (r"(memory_fuser\.layers\.\d+)\.gamma$", r"\1.scale"),
    *(
        (rf"mask_downsampler\.encoder\.{3 * layer + part}\.", f"mask_downsampler.layers.{layer}.{name}.")
        for layer in range(4)
        for part, name in enumerate(("conv", "layer_norm"))
    ),
    (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
)


def package_name(key: str) -> str:
    """Return the package's name of a published parameter."""
    for pattern, replacement in (*VIDEO, *SAM2):
        key = re.sub(pattern, replacement, key)
    return key


def as_package_state(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a published state dict under the package's names.

    Absent and unknown keys are left to strict loading, which names them.
    """
    state = {package_name(key): value for key, value in published.items()}
    kinds = [f"prompt_encoder.point_embed.{kind}.weight" for kind in range(4)]
    if all(kind in state for kind in kinds):
        state["prompt_encoder.point_embed.weight"] = torch.cat([state.pop(kind) for kind in kinds])
    return positions_shared(state)
