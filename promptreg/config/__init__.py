"""The configuration: closed pydantic models whose descriptions are the manual.

Defaults live in this package and nowhere else; `config/config.yaml` and `workflow/schemas/` are generated
from these models (`promptreg config`). It imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promptreg.config.comparison import Ablation, Baselines, Evaluate, Figures, Overrides
from promptreg.config.data import Corruption, CorruptionKind, Dataset, Misalign
from promptreg.config.fit import IMAGES_TOO, Fit, Marginalize
from promptreg.config.search import Auxiliary, Embed, Newton, Prompts, Search, Views
from promptreg.config.section import Fraction, Section
from promptreg.config.training import Learn, Train

__all__ = [
    "Ablation",
    "Auxiliary",
    "Baselines",
    "Config",
    "Corruption",
    "CorruptionKind",
    "Dataset",
    "Embed",
    "Evaluate",
    "Figures",
    "Fit",
    "Fraction",
    "Learn",
    "Marginalize",
    "Misalign",
    "Newton",
    "Overrides",
    "Prompts",
    "Search",
    "Section",
    "Train",
    "Views",
]


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
            "synthmorph",
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
            "promptreg_image": Overrides(fit=IMAGES_TOO),
            "promptreg_weightfree": Overrides(embed={"model": "weightfree"}),
            "promptreg_pocket": Overrides(embed={"model": "pocket"}),
            "promptreg_pocket_image": Overrides(embed={"model": "pocket"}, fit=IMAGES_TOO),
            "promptreg_weightfree_image": Overrides(embed={"model": "weightfree"}, fit=IMAGES_TOO),
            "video_transfer": Overrides(embed={"model": "medsam2"}, search={"method": "video"}),
            "promptreg_sam_vit_b": Overrides(embed={"model": "sam_vit_b"}, search={"affine_prior": False}),
            "promptreg_sam_adapter3d": Overrides(
                embed={"model": "sam_adapter3d"}, search={"affine_prior": False}
            ),
        },
        description="variants of PromptReg by name: what differs from the sections above",
    )
