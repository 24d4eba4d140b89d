"""The methods beside PromptReg; a method is one file and one row here. Data only."""

from promptreg.entry import LABEL_SUPERVISED, Entry, table

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
        "voxelmorph",
        "promptreg.baselines.learned:Learned",
        "VoxelMorph, a U-Net trained on pairs of the data set by local correlation",
        citation="Balakrishnan et al., IEEE Trans. Med. Imaging 38(8), 2019",
        supervision="unsupervised",
        trained_on="the target data (80 % of its subjects)",
        learned=True,
    ),
    Entry(
        "labelreg",
        "promptreg.baselines.learned:Learned",
        "LabelReg, LocalNet trained on pairs of the data set by the overlap of labels",
        citation="Hu et al., Med. Image Anal. 49, 2018",
        supervision=LABEL_SUPERVISED,
        trained_on="the target data (80 % of its subjects)",
        learned=True,
    ),
    Entry(
        "transmorph",
        "promptreg.baselines.learned:Learned",
        "TransMorph, a Swin transformer trained on pairs of the data set by local correlation",
        citation="Chen et al., Med. Image Anal. 82, 2022",
        supervision="unsupervised",
        trained_on="the target data (80 % of its subjects)",
        learned=True,
    ),
    Entry(
        "convexadam",
        "promptreg.baselines.convex_methods:ConvexAdam",
        "ConvexAdam, coupled convex search and descent on MIND-SSC descriptors",
        citation="Siebert et al., IEEE Trans. Med. Imaging 44(2), 2025",
    ),
)
