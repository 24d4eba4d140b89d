"""The methods beside PromptReg; a method is one file and one row here. Data only."""

from promptreg.entry import Entry, table

BASELINES = table(
    Entry("identity", "promptreg.baselines.identity:Identity", "the pre-alignment alone"),
    Entry(
        "affine",
        "promptreg.baselines.niftyreg:Aladin",
        "NiftyReg reg_aladin, symmetric block matching, affine",
        licence="BSD-3-Clause",
        citation="Modat et al., J. Med. Imaging 1(2), 2014",
    ),
    Entry(
        "niftyreg",
        "promptreg.baselines.niftyreg:F3d",
        "NiftyReg reg_aladin, then reg_f3d, free-form deformation",
        licence="BSD-3-Clause",
        citation="Modat et al., Comput. Methods Programs Biomed. 98(3), 2010",
    ),
)
