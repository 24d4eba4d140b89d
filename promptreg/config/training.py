"""Sections of the configuration: models and networks that are trained on a part of the data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from promptreg.config.section import Fraction, Section


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
