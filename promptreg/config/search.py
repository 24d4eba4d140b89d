"""Sections of the configuration: from images to regions that correspond."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from promptreg.config.section import Fraction, Section


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
    turns: int = Field(
        12,
        ge=1,
        description="evenly spaced turns of a planar moving image, the first as it is, in which the affine "
        "prior is looked for (not in the paper)",
    )
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

    @property
    def needs_prior(self) -> bool:
        """Whether the search begins with the affine prior, and so has a use for turned views."""
        return self.method == "prompts" and self.affine_prior and self.start != "same"
