"""The promptable models; a model is one file and one row here. Data only.

Released models stand in the files beside this one, by what they were trained on and for.
"""

from promptreg.catalogue.medical_models import MEDICAL
from promptreg.catalogue.sam_models import SAM, SUCCESSORS
from promptreg.catalogue.volume_models import VOLUMES
from promptreg.entry import Entry, table

MODELS = table(
    Entry(
        "weightfree",
        "promptreg.models.weightfree:WeightFree",
        "multi-scale context features; geodesic and graph-smoothed colour-model masks; no weights",
        point_trained=False,
    ),
    Entry(
        "pocket",
        "promptreg.models.pocket:Pocket",
        "the package's own small network for click masks and matching features; slice-wise on volumes",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
        parameters_m=3.6,
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
        parameters_m=3.6,
    ),
    Entry(
        "pooled",
        "promptreg.models.pooled:Pooled",
        "blend with the masks of weightfree and pocket in one pool in 2D, chosen by a learned score",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
        caveats="one click on the spleen: Dice 0.12 below blend on nine prompts",
    ),
    Entry(
        "dinov2_small",
        "promptreg.models.dinov2:DinoSmall",
        "control: features of DINOv2, ViT-S/14, masks by their likeness to the click; no mask decoder",
        citation="Oquab et al., DINOv2, arXiv:2304.07193",
        supervision="pretrained elsewhere",
        checkpoint="dinov2_small",
        trained_on="LVD-142M natural images, without labels",
        point_trained=False,
        parameters_m=22.1,
    ),
    Entry(
        "dinov2_base",
        "promptreg.models.dinov2:DinoBase",
        "control: features of DINOv2, ViT-B/14, masks by their likeness to the click; no mask decoder",
        citation="Oquab et al., DINOv2, arXiv:2304.07193",
        supervision="pretrained elsewhere",
        checkpoint="dinov2_base",
        trained_on="LVD-142M natural images, without labels",
        point_trained=False,
        parameters_m=86.6,
    ),
    *SAM,
    *VOLUMES,
    *SUCCESSORS,
    *MEDICAL,
)
