"""SegVol, small."""

from small_segvol import small_segvol

from promptreg.models.segvol import SegVol

MODELS = {"small_segvol": lambda: SegVol(small_segvol(), name="small_segvol")}
