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
    Entry(
        "ants_syn",
        "promptreg.baselines.itk_tools:AntsSyn",
        "ANTs, affine and symmetric normalization by mutual information",
        citation="Avants et al., Med. Image Anal. 12(1), 2008",
        environment="ants",
    ),
    Entry(
        "elastix",
        "promptreg.baselines.itk_tools:Elastix",
        "elastix, translation, affine and B-spline by mutual information",
        citation="Klein et al., IEEE Trans. Med. Imaging 29(1), 2010",
        environment="elastix",
    ),
    Entry(
        "greedy",
        "promptreg.baselines.itk_tools:Greedy",
        "greedy, affine and diffeomorphic flow by local correlation",
        licence="GPL-3.0 (repository), Apache-2.0 (wheel)",
        citation="Yushkevich et al., Alzheimer's & Dementia 12(7), 2016",
        environment="greedy",
    ),
    Entry(
        "convexadam",
        "promptreg.baselines.convex_methods:ConvexAdam",
        "ConvexAdam, coupled convex search and descent on MIND-SSC descriptors",
        citation="Siebert et al., IEEE Trans. Med. Imaging 44(2), 2025",
    ),
)
