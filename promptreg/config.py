"""The configuration: closed pydantic models whose descriptions are the manual.

Defaults live here and nowhere else; `config/config.yaml` and `workflow/schemas/` are generated from
these models (`promptreg config`). This module imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A closed, immutable part of the configuration: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Misalign(Section):
    """A known random affine put on every moving image, so that position alone cannot match."""

    rotation_deg: float = Field(17.0, ge=0, le=180, description="largest rotation, degrees, either way")
    scale: float = Field(1.25, ge=1, description="largest scaling factor; the smallest is its inverse")
    shift: Fraction = Field(0.15, description="largest shift, as a fraction of the field of view")


CorruptionKind = Literal["rotation", "shift", "scale", "affine", "elastic", "noise", "bias", "inversion"]


class Corruption(Section):
    """A known change of one image of every pair, in grades, for curves of robustness."""

    kind: CorruptionKind = Field(description="what is done to the image: it is moved, or its intensities are")
    levels: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        min_length=1,
        description="how much of it, a copy of every pair each; 0 is none. rotation: degrees; shift: share "
        "of the field of view; scale: factor minus 1; affine: largest strain; elastic: longest displacement, "
        "share of the longest side; noise: standard deviation, share of the range of intensities; bias: "
        "largest log gain; inversion: share of the range, from the bright end, that is inverted",
    )
    of: Literal["moving", "fixed"] = Field(
        "moving",
        description="which image is changed; the fixed one takes the place of the moving one, so that the "
        "truth is known everywhere, at landmarks that are computed",
    )


class Dataset(Section):
    """One data set of the benchmark."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="its name in results and tables")
    reader: str = Field("manifest", description="registered reader (promptreg list datasets)")
    path: str | None = Field(
        None,
        description="file or folder that the reader opens; if absent the folder of the published data set in "
        "`data_dir`, which is fetched first where that may be, or the top-level `manifest`",
    )
    source: str | None = Field(
        None, description="published data set (promptreg data list); the one called as the reader if absent"
    )
    dimension: Literal[2, 3] | None = Field(None, description="take only the 2D or only the 3D pairs")
    groups: tuple[str, ...] = Field((), description="take only the pairs of these groups of the reader")
    application: str | None = Field(
        None, description="what all its pairs are called in tables, instead of the reader's groups"
    )
    reference: bool = Field(
        False,
        description="of pairs between subjects take those onto the standard reference alone: the first "
        "subject listed, or the first in the test where only the test is compared",
    )
    split: str | None = Field(
        None,
        description="table of subjects and their parts (promptreg data split); by chance for all others",
    )
    limit: int | None = Field(None, ge=1, description="take only the first so many pairs")
    misalign: Misalign | None = Field(None, description="put a known random affine on the moving images")
    corrupt: Corruption | None = Field(None, description="change one image of every pair, in grades")
    both_ways: bool = Field(
        False, description="register every pair once more with its images exchanged; not with `misalign`"
    )


class Views(Section):
    """Marginalization transforms A_j of the moving image (Sec. 3.2); the first is always the identity."""

    count: int = Field(5, ge=1, description="J, the number of views with the identity")
    kind: Literal["flip", "rotation", "scaling", "random"] = Field(
        "random", description="family of transforms; random draws a family for each view"
    )
    rotation_deg: float = Field(
        360.0, ge=0, le=360, description="rotations are drawn from 0 to this, degrees"
    )
    scale_min: float = Field(0.5, gt=0, description="smallest scaling factor")
    scale_max: float = Field(2.5, gt=0, description="largest scaling factor")
    block: int = Field(
        4, ge=1, description="views in one embedding store; more views add stores, old ones stay"
    )


class Embed(Section):
    """Precomputed image embeddings."""

    model: str = Field("blend", description="registered promptable model (promptreg list models)")
    views: Views = Views()
    dtype: Literal["float16", "float32"] = Field("float16", description="number type of the stored features")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    compile: bool = Field(
        False,
        description="compile the image encoder where a model offers it: the first image takes up to minutes",
    )


class Prompts(Section):
    """Where prompts Z_k^x are placed on the moving image."""

    where: Literal["body", "inside", "outside", "both"] = Field(
        "body",
        description="uniform in the body mask, or inside or outside the moving labels, or both in turns "
        "(label-seeded)",
    )
    count: int = Field(8, ge=1, description="K, the number of prompts of a pair")
    strategy: Literal["random", "active"] = Field(
        "random",
        description="all at random, or after the first `initial` ones each where the regions found so far "
        "say least (not in the paper)",
    )
    initial: int = Field(3, ge=1, description="random prompts with which an active search begins")
    min_distance: Fraction = Field(
        0.08, description="least distance between two prompts, fraction of the longest side"
    )
    points: tuple[str, ...] = Field(
        (),
        description='prompts given by the user instead, "x,y" or "x,y x,y !x,y" (world; ! is negative)',
    )


class Newton(Section):
    """The joint Gauss-Newton inversion of Eq. 1."""

    iterations: int = Field(10, ge=1, description="most steps")
    damping: float = Field(1e-3, gt=0, description="Levenberg factor, relative to the largest diagonal entry")
    trust_cells: float = Field(2.0, gt=0, description="longest step, in feature cells")


class Auxiliary(Section):
    """Auxiliary prompts (Eq. 2). Lengths are fractions of the longest image side."""

    enabled: bool = Field(True, description="place auxiliary prompts at all")
    sigma: float = Field(0.10, ge=0, description="threshold sigma on the directed distances (20 px of 200)")
    epsilon: float = Field(
        0.01, gt=0, description="step epsilon from the boundary into the region (2 px of 200)"
    )
    trigger: Literal["paper", "max"] = Field(
        "paper", description="paper: |h_x - h_y| > sigma; max: max(h_x, h_y) > sigma"
    )
    align: Literal["none", "centroid", "similarity"] = Field(
        "centroid", description="how R^x is brought into the fixed frame before the comparison"
    )
    max_points: int = Field(5, ge=1, description="S_max, most auxiliary points of one prompt")


class Search(Section):
    """Prompt searching (Sec. 3.1)."""

    prompts: Prompts = Prompts()
    method: Literal["prompts", "video"] = Field(
        "prompts",
        description="how R^y is found: by searching prompts, or by the rival that takes both images for "
        "frames of a video (needs a model that follows regions: medsam2; of this section it heeds "
        "prompts alone)",
    )
    start: Literal["same", "similarity", "local", "gated"] = Field(
        "gated",
        description="start map: none (same coordinate, the control), S, the local L, or S gated by L",
    )
    affine_prior: bool = Field(
        True, description="weigh start maps by a global affine from feature matches (not in the paper)"
    )
    prior_sigma: float = Field(0.15, gt=0, description="width of that prior, fraction of the longest side")
    n_starts: int = Field(3, ge=1, description="peaks of the start map that are decoded")
    eq1: Literal["peak", "gauss_newton", "two_step"] = Field(
        "peak",
        description="inversion of Eq. 1: the best decoded peak; refined by the joint Gauss-Newton step (a "
        "compass search for a model without derivatives); or the paper's literal two pseudo-inverses",
    )
    newton: Newton = Newton()
    auxiliary: Auxiliary = Auxiliary()


class Marginalize(Section):
    """Averages over views (Sec. 3.2) and the filters that reject doubtful pairs."""

    prompts: int | None = Field(None, ge=1, description="use only the first so many prompts")
    location: Literal["all", "inside", "outside"] = Field(
        "all", description="use only prompts inside or outside the moving labels"
    )
    views: int | None = Field(None, ge=1, description="use only the first so many views")
    family: Literal["all", "flip", "rotation", "scaling"] = Field(
        "all", description="use only views of this family, and the identity"
    )
    average: Literal["mean", "median"] = Field(
        "mean", description="how the views' probabilities are combined"
    )
    cycle: bool = Field(True, description="reject a pair whose prompt, sent back, does not land in R^x")
    area_ratio: float | None = Field(4.0, gt=1, description="reject beyond this ratio of areas, either way")
    consensus: float | None = Field(
        0.1,
        gt=0,
        description="reject a pair whose centroids lie further from the motion that most pairs agree on, a "
        "fraction of the longest side (not in the paper)",
    )
    duplicate_iou: float | None = Field(
        0.8, gt=0, le=1, description="reject the later of two pairs that overlap more"
    )


class Fit(Section):
    """From ROI pairs to a dense displacement field."""

    parametrization: Literal["affine", "ffd", "svf", "ddf"] = Field(
        "svf", description="affine, free-form B-spline, stationary velocity (diffeomorphic), or dense"
    )
    start: Literal["none", "translation", "affine"] = Field(
        "affine",
        description="richest closed-form start from the ROI centroids; simpler maps compete with it",
    )
    max_cells: int | None = Field(
        None,
        ge=8,
        description="cells along the longest side of the working grid; 200 in 2D and 80 in 3D if absent",
    )
    levels: int = Field(3, ge=1, description="resolutions, coarse to fine")
    iterations: int = Field(
        45, ge=1, description="most optimizer steps at each level; it stops earlier on a plateau"
    )
    learning_rate: float = Field(
        0.5, gt=0, description="Adam's first step at each level, cells of that level"
    )
    control_cells: int = Field(6, ge=1, description="working cells between control points (ffd, svf)")
    loss: Literal["dice", "sdf"] = Field(
        "dice", description="per-ROI soft Dice, or signed distances (reaches ROIs that do not overlap)"
    )
    regularization: Literal["bending", "diffusion"] = Field(
        "diffusion",
        description="roughness of the field (svf: of its velocity), mean squared derivatives by world "
        "lengths: first ones, or second ones times 1 % of the longest side",
    )
    weight: float = Field(
        1.0,
        ge=0,
        description="weight of that roughness against a mean ROI loss of 0 to 1: found regions are noisy and "
        "want a stiff field, exact ones (drawn by hand) allow 0.1",
    )
    image_term: Literal["none", "ncc", "mi"] = Field(
        "none", description="image similarity added to the ROI term"
    )
    image_weight: float = Field(1.0, ge=0, description="its weight")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")


class Train(Section):
    """Training on the labelled images of a part of the subjects; models that need none ignore it."""

    test_share: Fraction = Field(
        0.2, description="share of the subjects kept for the test; a trained model runs on their pairs alone"
    )
    validation_share: Fraction = Field(
        0.1, description="share of the other subjects, who decide when training stops"
    )
    test_only: bool = Field(
        False,
        description="run every method on the pairs of the test alone, as trained ones are: all rows of a "
        "table are over the same pairs then",
    )
    steps: int = Field(4000, ge=1, description="most steps")
    depth: int = Field(8, ge=1, description="most neighbouring slices that are encoded together")
    regions: int = Field(8, ge=1, description="regions of such a slab that are clicked in a step")
    clicks: int = Field(5, ge=2, description="most simulated clicks into a region, positive and negative")
    decoder: bool = Field(True, description="train the mask decoder beside the adapters")
    step_size: float = Field(3e-4, gt=0, description="highest learning rate of AdamW")
    decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    validate_every: int = Field(200, ge=1, description="steps between validations, and checkpoints")
    patience: int = Field(8, ge=1, description="validations without a better Dice after which it stops")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")


class Learn(Section):
    """Training of registration networks on pairs of subjects who are not in the test (shares: `train`)."""

    cells: int | None = Field(
        None,
        ge=32,
        description="cells along the longest side of the working grid; 256 in 2D and 160 in 3D if absent",
    )
    width: float = Field(1.0, gt=0, le=1, description="share of the published channels")
    pairs: int = Field(
        500, ge=4, description="most pairs of a data set that are trained on, or decide when training stops"
    )
    steps: int = Field(100_000, ge=1, description="most steps, a pair each")
    step_size: float | None = Field(
        None, gt=0, description="learning rate of Adam; that of the method as published if absent"
    )
    smoothness: float | None = Field(
        None, ge=0, description="weight of the field's roughness; that of the method as published if absent"
    )
    labels: Literal["one", "all"] = Field(
        "one",
        description="what a step of a method trained on labels compares: one that is drawn, as published, or "
        "all",
    )
    validate_every: int = Field(500, ge=1, description="steps between validations, and checkpoints")
    patience: int = Field(20, ge=1, description="validations without a better one after which it stops")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")


class Baselines(Section):
    """Settings of the methods beside PromptReg; the defaults are the published ones."""

    threads: int = Field(1, ge=1, description="threads of an external tool")
    time_limit_s: int = Field(1800, ge=1, description="an external tool is stopped after so many seconds")
    niftyreg_similarity: Literal["nmi", "ssd", "lncc", "mind"] = Field(
        "nmi", description="measure of reg_f3d"
    )
    niftyreg_bending: float = Field(0.001, ge=0, description="bending energy weight of reg_f3d (-be)")
    niftyreg_spacing: float = Field(5.0, gt=0, description="control point spacing of reg_f3d, voxels (-sx)")
    convexadam_reach: int = Field(
        4, ge=1, description="farthest displacement that ConvexAdam searches, cells of 6 voxels, each axis"
    )
    convexadam_weight: float = Field(
        1.25, ge=0, description="weight of the diffusion penalty in ConvexAdam's descent"
    )
    convexadam_iterations: int = Field(80, ge=0, description="steps of ConvexAdam's descent")
    features_model: str = Field(
        "blend", description="registered promptable model that convexadam_features and samreg use"
    )
    samreg_pairs: int = Field(5, ge=1, description="most pairs of regions that samreg fits to")
    samreg_points_per_side: int | None = Field(
        None, ge=1, description="clicks of samreg along the longest side; 32 in 2D and 10 in 3D if absent"
    )
    device: str = Field(
        "auto", description="of the methods that are not external tools: auto, cpu, cuda or cuda:N"
    )


class Evaluate(Section):
    """Measures."""

    nsd_tolerance: float = Field(
        2.0, gt=0, description="tolerance of the normalized surface Dice, in world units"
    )
    hd_percentile: float = Field(95.0, gt=0, le=100, description="percentile of the Hausdorff distance")


class Figures(Section):
    """Pictures."""

    gallery: int = Field(4, ge=0, description="pairs of each data set that are drawn with every method")
    palette: str = Field("colorblind", description="seaborn palette")
    format: Literal["png", "svg", "pdf"] = Field("png", description="file format of the figures")
    vector: Literal["pdf", "svg"] = Field("pdf", description="format for print, written beside the other")
    paradigms: tuple[str, ...] = Field(
        ("niftyreg", "samreg", "same_coordinate", "video_transfer", "promptreg"),
        description="methods whose regions are drawn side by side, those that are among `methods`",
    )


class Overrides(Section):
    """A variant of PromptReg: what differs from the top-level sections."""

    embed: dict[str, Any] = Field({}, description="changes to `embed`")
    search: dict[str, Any] = Field({}, description="changes to `search`")
    marginalize: dict[str, Any] = Field({}, description="changes to `marginalize`")
    fit: dict[str, Any] = Field({}, description="changes to `fit`")


class Ablation(Section):
    """Methods that differ in a few settings: a table of their own, and a figure."""

    title: str = Field(min_length=1, description="what is compared")
    rows: dict[str, str] = Field(
        min_length=1,
        description="methods in row order, each with the name of the same setting in `published`, or ''",
    )
    factors: dict[str, str] = Field(
        {}, description="columns that say how rows differ: title and key, such as marginalize.prompts"
    )
    curve: str = Field(
        "",
        description="factor along the horizontal axis of the figure, the others make its lines; methods "
        "stand one below the other if absent",
    )
    published: str = Field("", description="table of promptreg/published.csv that is shown beside, in grey")
    note: str = Field("", description="what a reader of the table must know")


class Config(Section):
    """The whole benchmark."""

    results_dir: str = Field("results", min_length=1, description="folder of all results")
    manifest: str | None = Field(None, description="CSV of pairs for data sets that name no path")
    data_dir: str | None = Field(
        None,
        description="folder with a folder for each published data set; $PROMPTREG_DATA, or data, if absent",
    )
    absent_data: Literal["stop", "leave_out"] = Field(
        "stop",
        description="what happens where data are absent and cannot be downloaded: stop and say what to do, "
        "or leave_out the data set and name it in the report",
    )
    seed: int = Field(0, ge=0, description="every random draw derives from it")
    shard_size: int = Field(10, ge=1, description="pairs (or images) in one job")
    datasets: tuple[Dataset, ...] = Field(
        (Dataset(name="demo", reader="demo", misalign=Misalign()),),
        min_length=1,
        description="data sets, in table order",
    )
    methods: tuple[str, ...] = Field(
        (
            "identity",
            "affine",
            "niftyreg",
            "same_coordinate",
            "promptreg",
            "promptreg_image",
            "promptreg_sam_vit_b",
        ),
        min_length=1,
        description="baselines and variants, in table order",
    )
    prealign: Literal["none", "centers", "mass"] = Field(
        "mass",
        description="translation offered to every method: none (header frame), grid centres, body centroids",
    )
    accept_licences: tuple[str, ...] = Field(
        (),
        description="released weights and data whose licence you have read and accept, by name in "
        "checkpoints.tsv or sources.tsv, or all: asked for where it forbids commercial use, where access is "
        "granted one by one, or where it is not known here",
    )
    count_flops: bool = Field(
        False, description="count floating-point operations where PyTorch can; the seconds grow meanwhile"
    )
    analyses: tuple[Literal["efficiency", "consistency", "calibration"], ...] = Field(
        (),
        description="further tables and figures. efficiency: accuracy against seconds and operations; "
        "consistency: prompts that find back, and fields that undo each other (needs `both_ways`); "
        "calibration: whether uncertainty foretells errors at landmarks",
    )
    embed: Embed = Embed()
    search: Search = Search()
    marginalize: Marginalize = Marginalize()
    fit: Fit = Fit()
    train: Train = Train()
    learn: Learn = Learn()
    baselines: Baselines = Baselines()
    evaluate: Evaluate = Evaluate()
    figures: Figures = Figures()
    ablations: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], Ablation] = Field(
        {}, description="tables and figures over some of the methods, by name: see config/ablation_*.yaml"
    )
    variants: dict[str, Overrides] = Field(
        {
            "same_coordinate": Overrides(
                embed={"views": {"count": 1}},
                search={
                    "start": "same",
                    "eq1": "peak",
                    "affine_prior": False,
                    "auxiliary": {"enabled": False},
                },
                marginalize={"cycle": False},
            ),
            "promptreg": Overrides(),
            "promptreg_image": Overrides(fit={"image_term": "ncc"}),
            "promptreg_weightfree": Overrides(embed={"model": "weightfree"}),
            "promptreg_pocket": Overrides(embed={"model": "pocket"}),
            "promptreg_pocket_image": Overrides(embed={"model": "pocket"}, fit={"image_term": "ncc"}),
            "promptreg_weightfree_image": Overrides(embed={"model": "weightfree"}, fit={"image_term": "ncc"}),
            "video_transfer": Overrides(embed={"model": "medsam2"}, search={"method": "video"}),
            "promptreg_sam_vit_b": Overrides(embed={"model": "sam_vit_b"}, search={"affine_prior": False}),
            "promptreg_sam_adapter3d": Overrides(
                embed={"model": "sam_adapter3d"}, search={"affine_prior": False}
            ),
        },
        description="variants of PromptReg by name: what differs from the sections above",
    )
