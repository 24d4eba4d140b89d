"""Promptable models trained on medical slices. Data only."""

from promptreg.entry import Entry

SA_MED2D_SEEN = (
    *("AbdomenCT-1K", "ACDC", "AMOS", "BTCV", "CHAOS", "CT-ORG", "CTPelvic1K", "FLARE21", "FLARE22", "KiTS"),
    *("LNDb", "LUNA16", "MSD", "PI-CAI", "PROMISE12", "QUBIQ", "TotalSegmentator", "VerSe", "WORD"),
)
"""Of the data sets that images of SA-Med2D-20M are named after, those with trunks and prostates."""

MEGA_MEDICAL_SEEN = (
    *("AMOS", "BTCV", "CHAOS", "FLARE21", "I2CVB", "KiTS", "LiTS", "LUNA16", "MSD", "OASIS", "PROMISE12"),
    *("SegTHOR", "VerSe", "WORD"),
)
"""Of the collection that ScribblePrompt draws from."""

MEDICAL_LEAK = "trained on public medical data, which may contain images of a benchmark"
"""What holds for a model whose exact training images were not compared with the benchmark's."""

MEDICAL = (
    Entry(
        "medsam_point",
        "promptreg.models.medsam:MedSamPoint",
        "MedSAM given points, literally as in the paper's row; slice-wise on volumes",
        citation="Ma et al., Segment Anything in Medical Images, Nature Communications 2024",
        supervision="pretrained elsewhere",
        checkpoint="medsam",
        trained_on="1.57 M medical images with masks, one box each",
        caveats="out of distribution: it never saw a point, only boxes; CT gets no window; " + MEDICAL_LEAK,
        point_trained=False,
        parameters_m=93.7,
    ),
    Entry(
        "medsam_box",
        "promptreg.models.medsam:MedSamBox",
        "MedSAM given the box of the region that is like the click; slice-wise on volumes",
        citation="Ma et al., Segment Anything in Medical Images, Nature Communications 2024",
        supervision="pretrained elsewhere",
        checkpoint="medsam",
        trained_on="1.57 M medical images with masks, one box each",
        caveats="the box is a guess from the click; CT gets no window; " + MEDICAL_LEAK,
        prompts="box from point",
        point_trained=False,
        parameters_m=93.7,
    ),
    Entry(
        "medico_sam",
        "promptreg.models.medical_sam:MedicoSam",
        "MedicoSAM, SAM ViT-B trained on with medical images, points and boxes; slice-wise on volumes",
        licence="MIT",
        citation="Archit et al., MedicoSAM, IEEE Transactions on Medical Imaging 2025, arXiv:2501.11734",
        supervision="pretrained elsewhere",
        checkpoint="medico_sam",
        trained_on="a part of SA-Med2D-20M",
        caveats="which part of its data sets it has seen was not compared: all count as seen",
        parameters_m=93.7,
        seen=SA_MED2D_SEEN,
    ),
    Entry(
        "scribbleprompt_sam",
        "promptreg.models.medical_sam:ScribblePromptSam",
        "ScribblePrompt-SAM, trained with clicks, boxes and scribbles; slice-wise on volumes",
        citation="Wong et al., ScribblePrompt, ECCV 2024, arXiv:2312.07381",
        supervision="pretrained elsewhere",
        checkpoint="scribbleprompt_sam",
        trained_on="65 medical data sets at 128 pixels, real and synthetic labels",
        caveats="which data sets of its collection were kept for testing was not compared: all count as seen",
        parameters_m=93.7,
        seen=MEGA_MEDICAL_SEEN,
    ),
    Entry(
        "sam_med2d",
        "promptreg.models.sam_med2d:SamMed2D",
        "SAM-Med2D, SAM ViT-B with adapters at 256 pixels, cells of 16; slice-wise on volumes",
        citation="Cheng et al., SAM-Med2D, arXiv:2308.16184",
        supervision="pretrained elsewhere",
        checkpoint="sam_med2d",
        trained_on="4.6 M medical images of SA-Med2D-20M, among them abdomens and prostates",
        caveats=MEDICAL_LEAK,
        parameters_m=271.2,
        seen=SA_MED2D_SEEN,
    ),
)
