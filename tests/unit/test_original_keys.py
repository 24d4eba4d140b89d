import pytest
import torch

from promptreg.models.original_keys import SAM2_VIDEO, sam2_image_keys, sam_hq_keys

SAM2 = {
    "image_encoder.trunk.pos_embed_window": "vision_encoder.backbone.pos_embed_window",
    "image_encoder.trunk.patch_embed.proj.bias": "vision_encoder.backbone.patch_embed.projection.bias",
    "image_encoder.trunk.blocks.3.norm2.weight": "vision_encoder.backbone.blocks.3.layer_norm2.weight",
    "image_encoder.trunk.blocks.3.proj.weight": "vision_encoder.backbone.blocks.3.proj.weight",
    "image_encoder.trunk.blocks.3.attn.qkv.bias": "vision_encoder.backbone.blocks.3.attn.qkv.bias",
    "image_encoder.trunk.blocks.3.mlp.layers.1.bias": "vision_encoder.backbone.blocks.3.mlp.proj_out.bias",
    "image_encoder.neck.convs.2.conv.weight": "vision_encoder.neck.convs.2.weight",
    "sam_mask_decoder.conv_s0.weight": "mask_decoder.conv_s0.weight",
    "sam_mask_decoder.pred_obj_score_head.layers.1.bias": "mask_decoder.pred_obj_score_head.layers.0.bias",
    "sam_mask_decoder.iou_prediction_head.layers.2.bias": "mask_decoder.iou_prediction_head.proj_out.bias",
    "sam_mask_decoder.output_hypernetworks_mlps.3.layers.0.weight": (
        "mask_decoder.output_hypernetworks_mlps.3.proj_in.weight"
    ),
    "sam_mask_decoder.output_upscaling.1.weight": "mask_decoder.upscale_layer_norm.weight",
    "sam_mask_decoder.transformer.layers.1.mlp.layers.0.weight": (
        "mask_decoder.transformer.layers.1.mlp.proj_in.weight"
    ),
    "sam_mask_decoder.transformer.layers.0.self_attn.out_proj.bias": (
        "mask_decoder.transformer.layers.0.self_attn.o_proj.bias"
    ),
    "sam_mask_decoder.transformer.norm_final_attn.bias": (
        "mask_decoder.transformer.layer_norm_final_attn.bias"
    ),
    "sam_prompt_encoder.mask_downscaling.4.weight": "prompt_encoder.mask_embed.layer_norm2.weight",
    "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (
        "prompt_encoder.shared_embedding.positional_embedding"
    ),
    "no_mem_embed": "no_memory_embedding",
}

SAM_HQ = {
    "image_encoder.pos_embed": "vision_encoder.pos_embed",
    "image_encoder.patch_embed.proj.weight": "vision_encoder.patch_embed.projection.weight",
    "image_encoder.blocks.7.norm1.bias": "vision_encoder.layers.7.layer_norm1.bias",
    "image_encoder.blocks.7.mlp.lin2.weight": "vision_encoder.layers.7.mlp.lin2.weight",
    "image_encoder.blocks.7.attn.rel_pos_h": "vision_encoder.layers.7.attn.rel_pos_h",
    "image_encoder.neck.3.weight": "vision_encoder.neck.layer_norm2.weight",
    "prompt_encoder.point_embeddings.2.weight": "prompt_encoder.point_embed.2.weight",
    "mask_decoder.hf_token.weight": "mask_decoder.hq_token.weight",
    "mask_decoder.hf_mlp.layers.1.weight": "mask_decoder.hq_mask_mlp.layers.0.weight",
    "mask_decoder.compress_vit_feat.3.bias": "mask_decoder.compress_vit_conv2.bias",
    "mask_decoder.embedding_encoder.1.bias": "mask_decoder.encoder_norm.bias",
    "mask_decoder.embedding_maskfeature.3.weight": "mask_decoder.mask_conv2.weight",
    "mask_decoder.transformer.layers.0.norm4.weight": "mask_decoder.transformer.layers.0.layer_norm4.weight",
    "mask_decoder.transformer.layers.0.self_attn.out_proj.weight": (
        "mask_decoder.transformer.layers.0.self_attn.out_proj.weight"
    ),
}


@pytest.mark.parametrize(("rename", "pairs"), [(sam2_image_keys, SAM2), (sam_hq_keys, SAM_HQ)])
def test_the_authors_names_become_those_of_transformers(rename, pairs):
    state = {key: torch.tensor(float(i)) for i, key in enumerate(pairs)}
    assert rename(state) == {new: state[old] for old, new in pairs.items()}


def test_four_embeddings_of_point_kinds_become_one_in_their_order():
    kinds = {
        f"sam_prompt_encoder.point_embeddings.{i}.weight": torch.full((1, 2), float(i)) for i in range(4)
    }
    found = sam2_image_keys({"image_encoder.trunk.pos_embed": torch.zeros(1), **kinds})
    torch.testing.assert_close(
        found["prompt_encoder.point_embed.weight"], torch.arange(4.0)[:, None].expand(4, 2)
    )
    assert set(found) == {"vision_encoder.backbone.pos_embed", "prompt_encoder.point_embed.weight"}


@pytest.mark.parametrize("rename", [sam2_image_keys, sam_hq_keys])
def test_names_of_transformers_stay(rename):
    state = {key: torch.zeros(1) for key in {**SAM2, **SAM_HQ}.values()}
    assert set(rename(state)) == set(state)


@pytest.mark.parametrize("key", ["image_encoder.trunk.head.weight", "surprise"])
def test_an_unknown_name_is_kept_so_that_loading_fails_on_it(key):
    found = sam2_image_keys({"image_encoder.trunk.pos_embed": torch.zeros(1), key: torch.zeros(1)})
    assert len(found) == 2


@pytest.mark.parametrize(
    "key", ["memory_attention.norm.weight", "maskmem_tpos_enc", "obj_ptr_proj.layers.0.bias", "no_obj_ptr"]
)
def test_what_serves_videos_alone_is_left_out(key):
    assert sam2_image_keys({key: torch.zeros(1), "no_memory_embedding": torch.zeros(1)}).keys() == {
        "no_memory_embedding"
    }


@pytest.mark.parametrize("key", ["no_mem_embed", "no_memory_embedding", "mask_decoder.mask_tokens.weight"])
def test_what_images_need_is_not_taken_for_a_part_of_the_video_model(key):
    assert not SAM2_VIDEO.match(key)
