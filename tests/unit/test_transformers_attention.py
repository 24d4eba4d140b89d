from copy import deepcopy

import pytest
import torch
from small_models.transformers_models import small_sam_hq, small_slimsam

from promptreg.models.transformers_attention import FusedAttention, fuse


@pytest.mark.parametrize("make", [small_sam_hq, small_slimsam])
@pytest.mark.parametrize(("layer", "side"), [(0, 5), (1, 8)])
def test_fused_attention_is_that_of_the_package_in_windows_and_everywhere(make, layer, side):
    from transformers.models.sam.modeling_sam import SamVisionConfig, SamVisionSdpaAttention

    fused = make().vision_encoder.layers[layer].attn
    original = SamVisionSdpaAttention(
        SamVisionConfig(hidden_size=24, num_attention_heads=2, image_size=128), 5 if layer == 0 else 0
    )
    original.load_state_dict(fused.state_dict(), strict=True)
    x = torch.randn(3, side, side, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            FusedAttention(original)(x)[0], deepcopy(original)(x)[0], atol=1e-5, rtol=1e-5
        )


def test_fusing_replaces_every_attention_once_and_renames_nothing():
    encoder = deepcopy(small_slimsam().vision_encoder)
    keys = list(encoder.state_dict())
    fuse(encoder)
    attentions = [layer.attn for layer in encoder.layers]
    fuse(encoder)
    assert all(type(one) is FusedAttention for one in attentions)
    assert [layer.attn for layer in encoder.layers] == attentions
    assert sorted(encoder.state_dict()) == sorted(keys)
