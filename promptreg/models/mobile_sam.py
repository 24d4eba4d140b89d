"""MobileSAM (Zhang et al., arXiv:2306.14289) behind the contract: SAM with the encoder TinyViT.

The encoder's modules are those of `timm`, whose names differ from the published ones; the last stage keeps
the resolution of the one before. Everything else is as in SAM.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from promptreg.models.sam import SegmentAnything
from promptreg.models.sam_parts import CHANNELS, sam_about, with_weights
from promptreg.models.slicewise import Slicewise

PUBLISHED = {
    "embed_dims": (64, 128, 160, 320),
    "num_heads": (2, 4, 5, 10),
    "depths": (2, 2, 6, 2),
    "window_sizes": (7, 7, 14, 7),
}


class TinyEncoder(nn.Module):
    """TinyViT with a stride of 16 pixels and the neck of SAM's own encoder.

    `trunk` keeps the head for classes that the published file has, without using it.
    """

    def __init__(self, side: int, *, channels: int = CHANNELS, **sizes: Any) -> None:
        from segment_anything.modeling.common import LayerNorm2d
        from timm.models.tiny_vit import TinyVit

        super().__init__()
        self.img_size = side
        self.trunk = TinyVit(drop_path_rate=0.0, **(sizes or PUBLISHED))
        last: Any = self.trunk.stages[-1]
        last.downsample.conv2.conv.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(self.trunk.num_features, channels, 1, bias=False),
            LayerNorm2d(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            LayerNorm2d(channels),
        )
        # Faster by a tenth on a processor: most of it is narrow convolutions (docs/performance.md).
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (N, 3, side, side); (N, channels, side / 16, side / 16)."""
        return self.neck(self.trunk.stages(self.trunk.patch_embed(images)))


def to_timm(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a published file under the names that they have in `TinyEncoder`."""
    return {_renamed(name): tensor for name, tensor in published.items()}


def _renamed(name: str) -> str:
    encoder = "image_encoder."
    if not name.startswith(encoder) or name.startswith(f"{encoder}neck."):
        return name
    own = re.sub(r"\.c\.weight$", ".conv.weight", name.removeprefix(encoder))
    own = own.replace("patch_embed.seq.0.", "patch_embed.conv1.").replace(
        "patch_embed.seq.2.", "patch_embed.conv2."
    )
    # In the published names a stage ends with the reduction that in timm begins the next one.
    own = re.sub(r"^layers\.(\d+)\.downsample\.", lambda m: f"stages.{int(m[1]) + 1}.downsample.", own)
    own = re.sub(r"^layers\.", "stages.", own)
    own = re.sub(r"^norm_head\.", "head.norm.", re.sub(r"^head\.", "head.fc.", own))
    return f"{encoder}trunk.{own}"


class MobileSam(Slicewise):
    """MobileSAM with its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        sam = with_weights(sam_about(TinyEncoder(1024)), "mobile_sam", to_timm)
        super().__init__(SegmentAnything(sam, name="mobile_sam"))
