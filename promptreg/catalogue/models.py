"""The promptable models; a model is one file and one row here. Data only."""

from promptreg.entry import Entry, table

MODELS = table(
    Entry(
        "weightfree",
        "promptreg.models.weightfree:WeightFree",
        "multi-scale context features; geodesic and graph-smoothed colour-model masks; no weights",
    ),
    Entry(
        "pocket",
        "promptreg.models.pocket:Pocket",
        "the package's own small network for click masks and matching features; slice-wise on volumes",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
    ),
    Entry(
        "pocket_features",
        "promptreg.models.pocket_features:PocketFeatures",
        "control: features of pocket, masks by their likeness to the click alone; no mask decoder",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
    ),
    Entry(
        "blend",
        "promptreg.models.blend:Blend",
        "features of pocket beside those of weightfree, masks of weightfree; native in volumes",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
    ),
    Entry(
        "sam_vit_b",
        "promptreg.models.sam:SamVitB",
        "Segment Anything, ViT-B; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_b",
        trained_on="SA-1B natural images",
    ),
    Entry(
        "sam_vit_l",
        "promptreg.models.sam:SamVitL",
        "Segment Anything, ViT-L; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_l",
        trained_on="SA-1B natural images",
    ),
    Entry(
        "sam_vit_h",
        "promptreg.models.sam:SamVitH",
        "Segment Anything, ViT-H; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_h",
        trained_on="SA-1B natural images",
    ),
)
