"""Names and shapes of the tensors in the released files of SAM 2.1 with Hiera-T, which MedSAM2 has kept."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]
WIDTHS, BLOCKS, WIDTH, MEMORY = (96, 192, 384, 768), (1, 2, 7, 2), 256, 64


def published() -> Shapes:
    """Return every tensor of a file, by name."""
    return {
        **{"maskmem_tpos_enc": (7, 1, 1, MEMORY), "no_mem_embed": (1, 1, WIDTH)},
        **{"no_mem_pos_enc": (1, 1, WIDTH), "no_obj_ptr": (1, WIDTH), "no_obj_embed_spatial": (1, MEMORY)},
        **under("image_encoder.", encoder()),
        **layer("mask_downsample", 1, 1, 4, 4),
        **under("memory_attention.", memory_attention()),
        **under("memory_encoder.", memory_encoder()),
        **under("sam_prompt_encoder.", prompt_encoder()),
        **under("sam_mask_decoder.", mask_decoder()),
        **under("obj_ptr_proj.", perceptron(WIDTH, WIDTH, WIDTH, WIDTH)),
        **layer("obj_ptr_tpos_proj", MEMORY, WIDTH),
    }


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def norms(width: int, *names: str) -> Shapes:
    return {key: shape for name in names for key, shape in layer(name, width).items()}


def perceptron(*widths: int) -> Shapes:
    pairs = enumerate(zip(widths[1:], widths, strict=False))
    return {key: shape for n, pair in pairs for key, shape in layer(f"layers.{n}", *pair).items()}


def attention(inner: int, keys: int = WIDTH) -> Shapes:
    inputs = {"q_proj": WIDTH, "k_proj": keys, "v_proj": keys}
    projections = {k: s for name, n in inputs.items() for k, s in layer(name, inner, n).items()}
    return {**projections, **layer("out_proj", WIDTH, inner)}


def encoder() -> Shapes:
    found: Shapes = {
        **{"trunk.pos_embed": (1, 96, 7, 7), "trunk.pos_embed_window": (1, 96, 8, 8)},
        **layer("trunk.patch_embed.proj", 96, 3, 7, 7),
    }
    stages = [stage for stage, count in enumerate(BLOCKS) for _ in range(count)]
    for number, stage in enumerate(stages):
        width, before = WIDTHS[stage], WIDTHS[stages[number - 1]] if number else WIDTHS[0]
        block = {
            **norms(before, "norm1"),
            **layer("attn.qkv", 3 * width, before),
            **layer("attn.proj", width, width),
            **norms(width, "norm2"),
            **under("mlp.", perceptron(width, 4 * width, width)),
            **(layer("proj", width, before) if width != before else {}),
        }
        found |= under(f"trunk.blocks.{number}.", block)
    for number, width in enumerate(reversed(WIDTHS)):
        found |= layer(f"neck.convs.{number}.conv", WIDTH, width, 1, 1)
    return found


def memory_attention() -> Shapes:
    block = {
        **under("self_attn.", attention(WIDTH)),
        **under("cross_attn_image.", attention(WIDTH, MEMORY)),
        **layer("linear1", 2048, WIDTH),
        **layer("linear2", WIDTH, 2048),
        **norms(WIDTH, "norm1", "norm2", "norm3"),
    }
    layers = {k: s for n in range(4) for k, s in under(f"layers.{n}.", block).items()}
    return {**layers, **norms(WIDTH, "norm")}


def memory_encoder() -> Shapes:
    found: Shapes = {}
    for number, width in enumerate((4, 16, 64, 256)):
        found |= layer(f"mask_downsampler.encoder.{3 * number}", width, width // 4, 3, 3)
        found |= layer(f"mask_downsampler.encoder.{3 * number + 1}", width)
    fuser = {
        **layer("dwconv", WIDTH, 1, 7, 7),
        **norms(WIDTH, "norm"),
        **layer("pwconv1", 4 * WIDTH, WIDTH),
        **layer("pwconv2", WIDTH, 4 * WIDTH),
        "gamma": (WIDTH,),
    }
    return {
        **found,
        **layer("mask_downsampler.encoder.12", WIDTH, WIDTH, 1, 1),
        **layer("pix_feat_proj", WIDTH, WIDTH, 1, 1),
        **under("fuser.layers.0.", fuser),
        **under("fuser.layers.1.", fuser),
        **layer("out_proj", MEMORY, WIDTH, 1, 1),
    }


def prompt_encoder() -> Shapes:
    return {
        "pe_layer.positional_encoding_gaussian_matrix": (2, WIDTH // 2),
        **{f"point_embeddings.{kind}.weight": (1, WIDTH) for kind in range(4)},
        **{f"{name}.weight": (1, WIDTH) for name in ("not_a_point_embed", "no_mask_embed")},
        **layer("mask_downscaling.0", 4, 1, 2, 2),
        **layer("mask_downscaling.1", 4),
        **layer("mask_downscaling.3", 16, 4, 2, 2),
        **layer("mask_downscaling.4", 16),
        **layer("mask_downscaling.6", WIDTH, 16, 1, 1),
    }


def mask_decoder() -> Shapes:
    half = WIDTH // 2
    block = {
        **under("self_attn.", attention(WIDTH)),
        **under("cross_attn_token_to_image.", attention(half)),
        **under("cross_attn_image_to_token.", attention(half)),
        **under("mlp.", perceptron(WIDTH, 2048, WIDTH)),
        **norms(WIDTH, "norm1", "norm2", "norm3", "norm4"),
    }
    return {
        **{"iou_token.weight": (1, WIDTH), "mask_tokens.weight": (4, WIDTH)},
        "obj_score_token.weight": (1, WIDTH),
        **under("transformer.layers.0.", block),
        **under("transformer.layers.1.", block),
        **under("transformer.final_attn_token_to_image.", attention(half)),
        **norms(WIDTH, "transformer.norm_final_attn"),
        **{"output_upscaling.0.weight": (WIDTH, 64, 2, 2), "output_upscaling.0.bias": (64,)},
        **layer("output_upscaling.1", 64),
        **{"output_upscaling.3.weight": (64, 32, 2, 2), "output_upscaling.3.bias": (32,)},
        **layer("conv_s0", 32, WIDTH, 1, 1),
        **layer("conv_s1", 64, WIDTH, 1, 1),
        **{
            key: shape
            for n in range(4)
            for key, shape in under(
                f"output_hypernetworks_mlps.{n}.", perceptron(WIDTH, WIDTH, WIDTH, 32)
            ).items()
        },
        **under("iou_prediction_head.", perceptron(WIDTH, WIDTH, WIDTH, 4)),
        **under("pred_obj_score_head.", perceptron(WIDTH, WIDTH, WIDTH, 1)),
    }
