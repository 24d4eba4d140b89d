"""Published models in the layout of `segment_anything`: their parts at full size, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from promptreg import checkpoints

CHANNELS = 256
PATCH = 16


def vit_b_encoder(side: int) -> Any:
    """The image encoder ViT-B for inputs of `side` pixels."""
    from segment_anything.modeling import ImageEncoderViT

    return ImageEncoderViT(
        img_size=side,
        patch_size=PATCH,
        embed_dim=768,
        depth=12,
        num_heads=12,
        out_chans=CHANNELS,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=(2, 5, 8, 11),
    )


def sam_about(encoder: Any) -> Any:
    """Put an image encoder of `encoder.img_size` pixels together with prompt encoder and mask decoder."""
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    side = encoder.img_size
    cells = side // PATCH
    transformer = TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=2048, num_heads=8)
    return Sam(
        encoder,
        PromptEncoder(CHANNELS, (cells, cells), (side, side), mask_in_chans=16),
        MaskDecoder(transformer_dim=CHANNELS, transformer=transformer),
    )


def vit_b() -> Any:
    """Segment Anything with ViT-B at its published size."""
    return sam_about(vit_b_encoder(1024))


def with_weights(sam: Any, name: str, adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict) -> Any:
    """Fill a model with the weights of a checkpoint, every key matched, and return it.

    `adapt` returns the file's tensors under the names that the model has for them.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape; the message names them.
    """
    state = adapt(checkpoints.load_state_dict(name))
    checkpoints.load_strictly(sam, state, name)
    return sam
