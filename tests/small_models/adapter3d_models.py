"""Segment Anything with adapters, small."""

from small_adapter import small_adapter

from promptreg.models.adapter3d import AdapterSlices

MODELS = {"small_adapter3d": lambda: AdapterSlices(small_adapter(drawn=True))}
