"""Sections of the configuration: what is registered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promptreg.config.section import Fraction, Section


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
