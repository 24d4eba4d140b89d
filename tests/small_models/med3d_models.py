"""SAM-Med3D, small."""

from small_med3d import small_med3d

from promptreg.models.sam_med3d import SamMed3d

MODELS = {"small_sam_med3d": lambda: SamMed3d(small_med3d(), name="small_sam_med3d")}
