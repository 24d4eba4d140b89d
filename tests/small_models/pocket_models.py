"""The package's own networks, small."""

from small_pocket import small_pocket

from promptreg.models.blend import Blend
from promptreg.models.pocket import PlanarPocket
from promptreg.models.slicewise import Slicewise


def pocket() -> Slicewise:
    """Build `pocket` with random weights."""
    return Slicewise(PlanarPocket(small_pocket(), side=96))


MODELS = {"small_pocket": pocket, "small_blend": lambda: Blend(pocket())}
