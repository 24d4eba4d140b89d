"""Sections of the configuration: from regions that correspond to a field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from promptreg.config.section import Section

IMAGES_TOO: dict[str, Any] = {
    "image_terms": {"ncc": 3.0, "mind": 1.0, "features": 1.0},
    "control_cells": 4,
}
"""Changes to `Fit` of the variants that images take part in; a field that they decide may bend more."""


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
    image_terms: dict[Literal["ncc", "mi", "mind", "features"], Annotated[float, Field(ge=0)]] = Field(
        {},
        description="what of the images joins the ROI term, each with its weight: local correlation, mutual "
        "information, MIND-SSC descriptors, features of the model's encoder (not in the paper)",
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")

    @property
    def needs_features(self) -> bool:
        """Whether the fit reads the features of the model's encoder."""
        return self.image_terms.get("features", 0) > 0
