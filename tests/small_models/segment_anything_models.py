"""Segment Anything, small."""

from small_sam import small_sam

from promptreg.models.sam import SegmentAnything
from promptreg.models.slicewise import Slicewise

MODELS = {"small_sam": lambda: Slicewise(SegmentAnything(small_sam()))}
