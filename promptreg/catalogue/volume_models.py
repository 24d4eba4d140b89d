"""Promptable models that take volumes whole, or as videos of their slices. Data only."""

from promptreg.catalogue.medical_models import MEDICAL_LEAK
from promptreg.entry import Entry

SAM_MED3D_SEEN = ("AMOS", "CHAOS", "FLARE22", "KiTS", "LiTS", "MSD", "PROMISE12", "TotalSegmentator", "WORD")

VISTA3D_SEEN = (
    *("AbdomenCT-1K", "AeroPath", "AMOS", "BTCV", "CT-ORG", "CTPelvic1K", "FLARE22", "LIDC", "MSD", "NLST"),
    *("Pancreas-CT", "TotalSegmentator", "VerSe"),
)

SEGVOL_SEEN = (
    *("3D-IRCADb", "AbdomenCT-1K", "AMOS", "BTCV", "CHAOS", "CT-ORG", "FLARE22", "HaN-Seg", "KiPA22", "KiTS"),
    *("LUNA16", "MSD", "Pancreas-CT", "QUBIQ", "SLIVER07", "TotalSegmentator", "ULS23", "VerSe", "WORD"),
)

VOLUMES = (
    Entry(
        "sam_med3d",
        "promptreg.models.sam_med3d:SamMed3dBase",
        "SAM-Med3D, weights of its paper; native in volumes, by cubes of 19 cm",
        dims=(3,),
        citation="Wang et al., SAM-Med3D, arXiv:2310.15161",
        supervision="pretrained elsewhere",
        checkpoint="sam_med3d",
        trained_on="SA-Med3D-140K, volumes of many modalities",
        caveats="trained on cubes about the true object, here about the lattice point next to the click; "
        "masks have cells of 6 mm; the authors now offer the turbo weights alone",
        parameters_m=100.5,
        seen=SAM_MED3D_SEEN,
    ),
    Entry(
        "sam_med3d_turbo",
        "promptreg.models.sam_med3d:SamMed3dTurbo",
        "SAM-Med3D, weights that were trained further; native in volumes, by cubes of 19 cm",
        dims=(3,),
        citation="Wang et al., SAM-Med3D, arXiv:2310.15161",
        supervision="pretrained elsewhere",
        checkpoint="sam_med3d_turbo",
        trained_on="SA-Med3D-140K, volumes of many modalities; 44 of its data sets again",
        caveats="trained on cubes about the true object, here about the lattice point next to the click; "
        "masks have cells of 6 mm",
        parameters_m=100.5,
        seen=SAM_MED3D_SEEN,
    ),
    Entry(
        "vista3d",
        "promptreg.models.vista3d:Vista3d132",
        "VISTA3D, its branch for clicks on what has no class; native in volumes, by cubes of 19 cm",
        dims=(3,),
        licence="Apache-2.0; weights noncommercial",
        citation="He et al., VISTA3D, arXiv:2406.05285",
        supervision="pretrained elsewhere",
        checkpoint="vista3d",
        trained_on="11,454 CT volumes, labels and supervoxels",
        caveats="CT alone: every volume is read as Hounsfield units; trained and applied by its authors on "
        "cubes about the clicks, here on the lattice's nearest; the licence of its weights is stated "
        "inconsistently and taken for noncommercial",
        parameters_m=218.0,
        seen=VISTA3D_SEEN,
    ),
    Entry(
        "segvol",
        "promptreg.models.segvol:SegVolReleased",
        "SegVol given clicks alone; native in volumes, the whole shrunk to 32 x 256 x 256 voxels",
        dims=(3,),
        licence="MIT",
        citation="Du et al., SegVol, NeurIPS 2024, arXiv:2311.13385",
        supervision="pretrained elsewhere",
        checkpoint="segvol",
        trained_on="CT volumes: 96 k without labels, 6 k with labels of 25 public data sets",
        caveats="CT alone; cells of 1/8 of the volume's height and 1/16 of its sides, masks of 1/4 of that; "
        "its authors crop the volume to the body first and decode the found region again in finer voxels, "
        "which is left out, as is text",
        parameters_m=117.2,
        seen=SEGVOL_SEEN,
    ),
    Entry(
        "nninteractive",
        "promptreg.models.nninteractive:NnInteractiveV1",
        "nnInteractive given clicks alone; native in volumes, by cubes of 192 voxels; no derivatives",
        dims=(3,),
        licence="Apache-2.0; weights CC BY-NC-SA 4.0",
        citation="Isensee et al., nnInteractive, arXiv:2503.08373",
        supervision="pretrained elsewhere",
        checkpoint="nninteractive",
        trained_on="more than 120 public data sets of volumes: CT, MR, PET, microscopy",
        caveats="every click is one to five passes of the whole network; after zooming out its authors look "
        "at the found region again in fine voxels, which is left out, as are boxes, lassos and scribbles; "
        + MEDICAL_LEAK,
        parameters_m=102.4,
    ),
    Entry(
        "medsam2",
        "promptreg.models.medsam2:MedSam2",
        "MedSAM2: SAM 2.1 with Hiera-T, tuned on medical images; volumes as videos of their slices",
        citation="Ma et al., MedSAM2, arXiv:2504.03600",
        supervision="pretrained elsewhere",
        checkpoint="medsam2",
        trained_on="medical volumes and videos of many modalities",
        caveats="tuned with boxes first, clicks as corrections; no derivatives in volumes; the full list of "
        "its training data stands elsewhere and may hold the images at hand",
        parameters_m=39.0,
        seen=("DeepLesion", "LLD-MMRI", "RVENet"),
    ),
)
