"""MedSAM2 (Ma et al., arXiv:2504.03600): SAM 2.1 with Hiera-T, tuned on medical volumes and videos.

Slices are stretched to squares of 512 x 512. It was tuned with boxes first and clicks as corrections: a
single click is less than it is used to.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from promptreg import checkpoints
from promptreg.models.sam_settings import Inputs, normalized
from promptreg.models.video import VideoSegmenter
from promptreg.models.video_layout import as_package_state
from promptreg.models.video_net import VideoNet

SIDE, STRIDE = 512, 16


class MedSam2(VideoSegmenter):
    """MedSAM2 with its published weights."""

    def __init__(self) -> None:
        super().__init__(from_checkpoint("medsam2"), INPUTS, name="medsam2")


def from_checkpoint(name: str) -> VideoNet:
    """Build the published network with the weights of a checkpoint, every key matched.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape.
    """
    state = as_package_state(checkpoints.load_state_dict(name))
    model = published_model()
    checkpoints.load_strictly(model, state, name)
    return VideoNet(model)


def published_model() -> Any:
    """Build the published architecture, with weights yet to be loaded.

    Where several clicks ask for one mask, the released predictor may switch to another one by a threshold;
    here it does not.
    """
    from transformers import Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    cells = SIDE // STRIDE
    sizes = [[cells * finer, cells * finer] for finer in (4, 2, 1)]
    return Sam2VideoModel(
        Sam2VideoConfig(
            image_size=SIDE,
            vision_config=Sam2VisionConfig(backbone_feature_sizes=sizes),
            prompt_encoder_config={"image_size": SIDE},
            mask_decoder_config={"dynamic_multimask_via_stability": False},
            memory_attention_rope_feat_sizes=[cells, cells],
        )
    )


def resize_cubic(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize (N, C, Y, X) in [0, 255] by antialiased cubic weights, rounding after either axis, as Pillow."""
    for size in ((colours.shape[-2], shape[1]), shape):
        colours = (interpolate(colours, size, mode="bicubic", antialias=True) + 0.5).floor().clamp(0, 255)
    return colours


def _as_published(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    return normalized(resize_cubic(colours, shape))


INPUTS = Inputs(_as_published, keeps_aspect=False)
