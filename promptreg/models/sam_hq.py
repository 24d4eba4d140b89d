"""SAM-HQ (Ke et al., arXiv:2306.01567): finer masks from an added token, by the modules of `transformers`.

The added token's mask sees early features of the encoder beside the last; as published, its logits are added
to each mask of the original tokens. What that mask needs of the image alone is computed with the embedding.
As in the authors' code, masks are read from the image's cells after attention; the `forward` of `SamHQModel`
(up to transformers 5.24 at least) drops these and transposes the cells from before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from promptreg.models.original_keys import sam_hq_keys
from promptreg.models.sam_settings import LONGEST_SIDE
from promptreg.models.slicewise import Slicewise
from promptreg.models.transformers_attention import fuse
from promptreg.models.transformers_sam import Encoded, TransformersSam
from promptreg.models.transformers_weights import loaded
from promptreg.models.two_way import masks_from, prompted


@dataclass(frozen=True)
class Vit:
    """The published numbers of an image encoder; every `n_layers / 4`-th layer attends globally."""

    width: int
    n_layers: int
    heads: int

    def config(self) -> Any:
        """Return the whole model's `SamHQConfig`."""
        from transformers import SamHQConfig, SamHQMaskDecoderConfig, SamHQVisionConfig

        quarter = self.n_layers // 4
        vision = SamHQVisionConfig(
            hidden_size=self.width,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.heads,
            global_attn_indexes=list(range(quarter - 1, self.n_layers, quarter)),
        )
        return SamHQConfig(
            vision_config=vision, mask_decoder_config=SamHQMaskDecoderConfig(vit_dim=self.width)
        )


SIZES = {
    "sam_hq_vit_b": Vit(768, 12, 12),
    "sam_hq_vit_l": Vit(1024, 24, 16),
    "sam_hq_vit_h": Vit(1280, 32, 16),
}


class SamHQNet:
    """A `SamHQModel`."""

    def __init__(self, module: Any) -> None:
        fuse(module.vision_encoder)
        self.module = module
        self.side: int = module.prompt_encoder.input_image_size

    def encode(self, pixels: Tensor) -> Encoded:
        """Encode N normalized images (N, 3, side, side); the extra is the image's part of the fine mask."""
        found = self.module.vision_encoder(pixels)
        decoder = self.module.mask_decoder
        late = gelu(decoder.encoder_norm(decoder.encoder_conv1(found.last_hidden_state)))
        early = decoder.compress_vit_conv1(found.intermediate_embeddings[0].movedim(-1, 1))
        early = decoder.compress_vit_conv2(gelu(decoder.compress_vit_norm(early)))
        return Encoded(found.last_hidden_state, {"fine": decoder.encoder_conv2(late) + early})

    def masks(self, encoded: Encoded, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, 4, 4 n, 4 n) and their IoUs (B, 4) of prompt tokens (B, T, C) on one image (C, n, n)."""
        decoder = self.module.mask_decoder
        tokens = (decoder.iou_token, decoder.mask_tokens, decoder.hq_token)
        own = torch.cat([token.weight for token in tokens])
        attended, cells = prompted(self.module, own, encoded.features, prompts)
        coarse = gelu(decoder.upscale_layer_norm(decoder.upscale_conv1(cells)))
        coarse = gelu(decoder.upscale_conv2(coarse))
        fine = decoder.mask_conv2(gelu(decoder.mask_norm(decoder.mask_conv1(coarse))))
        masks = masks_from(decoder.output_hypernetworks_mlps, attended[:, 1:], coarse)
        added = masks_from([decoder.hq_mask_mlp], attended[:, 5:], fine + encoded.extras["fine"])
        return masks + added, decoder.iou_prediction_head(attended[:, 0])


def build(name: str) -> Any:
    """Return the `SamHQModel` of one of `SIZES`, with weights to be overwritten."""
    from transformers import SamHQModel

    return SamHQModel(SIZES[name].config())


def from_checkpoint(name: str) -> TransformersSam:
    """Build one of `SIZES` with its published weights, every key matched.

    The file may have the names of `transformers` or those of the authors' own release.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape.
    """
    module = loaded(name, lambda: build(name), sam_hq_keys)
    return TransformersSam(SamHQNet(module), LONGEST_SIDE, name=name)


class SamHQVitB(Slicewise):
    """SAM-HQ with ViT-B and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam_hq_vit_b"))


class SamHQVitL(Slicewise):
    """SAM-HQ with ViT-L and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam_hq_vit_l"))


class SamHQVitH(Slicewise):
    """SAM-HQ with ViT-H and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam_hq_vit_h"))
