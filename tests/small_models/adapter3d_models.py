"""Segment Anything with adapters, small."""

from small_adapter import small_adapter

from promptreg.models.slicewise import Slicewise

MODELS = {"small_adapter3d": lambda: Slicewise(small_adapter(drawn=True))}
