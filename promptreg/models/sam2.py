"""SAM 2.1 (Ravi et al., arXiv:2408.00714) on single images, by the modules of `transformers`.

The image is stretched to a square of 1024 x 1024. Beside the embedding of 64 x 64 cells the mask decoder
is given finer features of 256 x 256 and 128 x 128. As for a video's first frame, the token for "no memory"
is added to the embedding. The released single-mask output may switch, by a threshold, to another mask;
here it does not, since derivatives end at a switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, interpolate

from promptreg.models.original_keys import sam2_image_keys
from promptreg.models.sam_settings import Inputs, normalized
from promptreg.models.slicewise import Slicewise
from promptreg.models.transformers_sam import Encoded, TransformersSam
from promptreg.models.transformers_weights import loaded
from promptreg.models.two_way import masks_from, prompted


@dataclass(frozen=True)
class Hiera:
    """The published numbers of an image encoder: first stage's width and heads, blocks of each stage."""

    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, int, int]
    background: int = 7
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)

    def config(self) -> Any:
        """Return the whole model's `Sam2Config`."""
        from transformers import Sam2Config, Sam2HieraDetConfig, Sam2VisionConfig

        widths = [self.width * 2**stage for stage in range(4)]
        backbone = Sam2HieraDetConfig(
            hidden_size=self.width,
            num_attention_heads=self.heads,
            blocks_per_stage=list(self.blocks),
            embed_dim_per_stage=widths,
            num_attention_heads_per_stage=[self.heads * 2**stage for stage in range(4)],
            window_size_per_stage=list(self.windows),
            global_attention_blocks=list(self.global_blocks),
            window_positional_embedding_background_size=[self.background] * 2,
        )
        vision = Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1])
        return Sam2Config(vision_config=vision)


SIZES = {
    "sam2_1_tiny": Hiera(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "sam2_1_small": Hiera(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "sam2_1_base_plus": Hiera(112, 2, (2, 3, 16, 3), (12, 16, 20), background=14),
    "sam2_1_large": Hiera(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
}


def stretched(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize colours (N, 3, Y, X) in [0, 255] with antialiased linear weights, unrounded, and normalize."""
    return normalized(interpolate(colours, shape, mode="bilinear", antialias=True))


SQUARE = Inputs(stretched, keeps_aspect=False)
"""The preprocessing of SAM 2."""


class Sam2Net:
    """A `Sam2Model`."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.side: int = module.prompt_encoder.input_image_size

    def encode(self, pixels: Tensor) -> Encoded:
        """Encode N normalized images (N, 3, side, side); extras are the decoder's views of finer features."""
        finest, finer, coarse = self.module.vision_encoder(pixels).fpn_hidden_states
        decoder = self.module.mask_decoder
        fine = {"stride_4": decoder.conv_s0(finest), "stride_8": decoder.conv_s1(finer)}
        return Encoded(coarse + self.module.no_memory_embedding.reshape(1, -1, 1, 1), fine)

    def masks(self, encoded: Encoded, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, 4, 4 n, 4 n) and their IoUs (B, 4) of prompt tokens (B, T, C) on one image (C, n, n)."""
        decoder = self.module.mask_decoder
        tokens = (decoder.obj_score_token, decoder.iou_token, decoder.mask_tokens)
        own = torch.cat([token.weight for token in tokens])
        attended, cells = prompted(self.module, own, encoded.features, prompts)
        fine = decoder.upscale_conv1(cells) + encoded.extras["stride_8"]
        fine = gelu(decoder.upscale_layer_norm(fine))
        fine = gelu(decoder.upscale_conv2(fine) + encoded.extras["stride_4"])
        masks = masks_from(decoder.output_hypernetworks_mlps, attended[:, 2:], fine)
        return masks, decoder.iou_prediction_head(attended[:, 1])


def build(name: str) -> Any:
    """Return the `Sam2Model` of one of `SIZES`, with weights to be overwritten."""
    from transformers import Sam2Model

    return Sam2Model(SIZES[name].config())


def from_checkpoint(name: str) -> TransformersSam:
    """Build one of `SIZES` with its published weights, every key matched.

    The file may have the names of `transformers` or those of the authors' own release.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape.
    """
    module = loaded(name, lambda: build(name), sam2_image_keys)
    return TransformersSam(Sam2Net(module), SQUARE, name=name)


class Sam21Tiny(Slicewise):
    """SAM 2.1 with Hiera-T and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam2_1_tiny"))


class Sam21Small(Slicewise):
    """SAM 2.1 with Hiera-S and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam2_1_small"))


class Sam21BasePlus(Slicewise):
    """SAM 2.1 with Hiera-B+ and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam2_1_base_plus"))


class Sam21Large(Slicewise):
    """SAM 2.1 with Hiera-L and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("sam2_1_large"))
