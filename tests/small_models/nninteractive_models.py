"""nnInteractive, small."""

from small_nninteractive import SIDE, small_nninteractive

from promptreg.models.nninteractive import NnInteractive

MODELS = {
    "small_nninteractive": lambda: NnInteractive(small_nninteractive(), name="small_nninteractive", side=SIDE)
}
