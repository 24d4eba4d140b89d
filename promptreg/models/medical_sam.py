"""SAM trained further on medical images with points and boxes: MedicoSAM and ScribblePrompt-SAM.

Both have the layout of SAM with ViT-B. MedicoSAM (Archit et al., arXiv:2501.11734) keeps SAM's preprocessing
and its offer of masks. ScribblePrompt-SAM (Wong et al., arXiv:2312.07381) stretches images to a square,
linearly and without antialiasing, and was trained on the best of three masks throughout.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from promptreg.models.sam import SegmentAnything
from promptreg.models.sam_parts import vit_b, with_weights
from promptreg.models.sam_settings import ALWAYS_THREE, Inputs, normalized
from promptreg.models.slicewise import Slicewise


def linear_square(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Stretch (N, 3, Y, X) in [0, 255] to `shape`, linearly between pixels, and normalize the colours."""
    return normalized(interpolate(colours, shape, mode="bilinear"))


SCRIBBLEPROMPT = Inputs(linear_square, keeps_aspect=False)


class MedicoSam(Slicewise):
    """MedicoSAM with its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(SegmentAnything(with_weights(vit_b(), "medico_sam"), name="medico_sam"))


class ScribblePromptSam(Slicewise):
    """ScribblePrompt-SAM with its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        sam = with_weights(vit_b(), "scribbleprompt_sam")
        planar = SegmentAnything(sam, name="scribbleprompt_sam", inputs=SCRIBBLEPROMPT, offer=ALWAYS_THREE)
        super().__init__(planar)
