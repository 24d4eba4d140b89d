"""Sections of the configuration: the other methods, measures, pictures, variants and tables over them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from promptreg.config.section import Section


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
