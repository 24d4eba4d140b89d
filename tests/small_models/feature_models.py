"""Features without a mask decoder, small."""

import torch
from small_pocket import small_pocket

from promptreg.models.dinov2 import Dino
from promptreg.models.feature_only import FeatureOnly
from promptreg.models.pocket import PlanarPocket
from promptreg.models.slicewise import Slicewise


def pocket_features() -> FeatureOnly:
    """Build `pocket_features` with random weights."""
    return FeatureOnly(Slicewise(PlanarPocket(small_pocket(), side=96)), name="small_features")


def small_dino(*, seed: int = 0) -> Dino:
    """Build DINOv2 of two layers, for 84 pixels or 6 patches, all weights drawn."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=84, patch_size=14
    )
    net, generator = Dinov2Model(config), torch.Generator().manual_seed(seed)
    for tensor in net.parameters():
        tensor.data.normal_(0, tensor.shape[-1] ** -0.5, generator=generator)
        tensor.data += float(tensor.ndim == 1)
    return Dino(net, name="small_dino")


MODELS = {
    "small_features": pocket_features,
    "small_dino": lambda: FeatureOnly(small_dino(), name="small_dino"),
}
