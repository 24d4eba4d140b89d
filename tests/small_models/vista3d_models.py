"""VISTA3D, small."""

from small_vista3d import SIDE, small_vista3d

from promptreg.models.vista3d import Vista3d

MODELS = {"small_vista3d": lambda: Vista3d(small_vista3d(), name="small_vista3d", side=SIDE)}
