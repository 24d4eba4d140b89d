"""Models of the layout of Segment Anything, small: MedSAM, ScribblePrompt-SAM, SAM-Med2D, MobileSAM."""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from small_sam import small_sam
from torch import nn

from promptreg.models import medical_sam, medsam, sam_med2d
from promptreg.models.mobile_sam import TinyEncoder
from promptreg.models.sam import SegmentAnything
from promptreg.models.sam_settings import ALWAYS_THREE
from promptreg.models.slicewise import Slicewise

SIDE, CHANNELS = 128, 32
TINY = {
    "embed_dims": (8, 12, 16, 20),
    "num_heads": (1, 2, 2, 4),
    "depths": (1, 1, 2, 1),
    "window_sizes": (3, 5, 3, 5),
    "num_classes": 7,
}


def drawn(module: nn.Module, *, seed: int = 0) -> nn.Module:
    """Draw every weight and statistic of a module, so that none is left at its initial zero or one."""
    generator = torch.Generator().manual_seed(seed)
    statistics = [one for name, one in module.named_buffers() if "running" in name]
    for tensor in [*module.parameters(), *statistics]:
        spread = 0.1 if tensor.ndim == 1 else tensor[0].numel() ** -0.5
        values = torch.randn(tensor.shape, generator=generator) * spread
        tensor.data.copy_(values + (tensor.ndim == 1))
    return module.eval()


def small_sam_med2d() -> Sam:
    """Build SAM with adapters in its blocks."""
    sam = small_sam(side=SIDE)
    drawn(sam_med2d.adapted(sam.image_encoder))
    return sam


def small_mobile_sam() -> Sam:
    """Build SAM with the encoder TinyViT."""
    sam = small_sam(side=SIDE)
    sam.image_encoder = drawn(TinyEncoder(SIDE, channels=CHANNELS, **TINY))
    return sam


def planar_medsam_point() -> medsam.PlanarMedSam:
    """Build MedSAM prompted with points."""
    return medsam.PlanarMedSam(small_sam())


def planar_medsam_box() -> medsam.PlanarMedSamBox:
    """Build MedSAM prompted with boxes of points."""
    return medsam.PlanarMedSamBox(small_sam())


def planar_scribbleprompt_sam() -> SegmentAnything:
    """Build ScribblePrompt-SAM."""
    return SegmentAnything(small_sam(), inputs=medical_sam.SCRIBBLEPROMPT, offer=ALWAYS_THREE)


def planar_sam_med2d() -> SegmentAnything:
    """Build SAM-Med2D."""
    return SegmentAnything(small_sam_med2d(), inputs=sam_med2d.INPUTS, offer=ALWAYS_THREE)


def planar_mobile_sam() -> SegmentAnything:
    """Build MobileSAM."""
    return SegmentAnything(small_mobile_sam())


MODELS = {
    "small_medsam_point": lambda: Slicewise(planar_medsam_point()),
    "small_medsam_box": lambda: Slicewise(planar_medsam_box()),
    "small_scribbleprompt_sam": lambda: Slicewise(planar_scribbleprompt_sam()),
    "small_sam_med2d": lambda: Slicewise(planar_sam_med2d()),
    "small_mobile_sam": lambda: Slicewise(planar_mobile_sam()),
}
