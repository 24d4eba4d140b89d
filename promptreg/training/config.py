"""Settings of a training run of `pocket`; imports no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from promptreg.config import Fraction, Section


class Sizes(Section):
    """Sizes of the network, as `promptreg.nets.encoder.Architecture` names them."""

    widths: tuple[int, int, int, int] = Field(
        (32, 64, 128, 192), description="channels at strides 2, 4, 8, 16"
    )
    blocks: tuple[int, int, int, int] = Field(
        (1, 2, 2, 2), description="residual blocks at strides 2, 4, 8, 16"
    )
    attention: int = Field(2, ge=0, description="layers of attention at stride 16")
    embedding: int = Field(128, ge=16, description="channels of the embedding")
    decoder: int = Field(64, ge=16, description="channels of the decoder's tokens")
    heads: int = Field(4, ge=1, description="heads of attention in the decoder")
    decoder_depth: int = Field(2, ge=1, description="two-way layers of the decoder")
    fine: tuple[int, int] = Field((16, 32), description="channels at strides 2 and 4 that masks are made of")


class TrainPocket(Section):
    """How `pocket` is trained."""

    network: Sizes = Field(default_factory=Sizes, description="sizes of the network")
    initial: Literal["random", "shipped"] = Field(
        "random", description="first weights: random, or those of the package"
    )
    steps: int | None = Field(None, ge=1, description="budget in steps; or give `minutes`")
    minutes: float | None = Field(None, gt=0, description="budget in minutes of wall time; or give `steps`")
    n_pairs: int = Field(4, ge=1, description="pairs in a batch; a batch has twice as many images")
    side: int = Field(128, ge=32, multiple_of=16, description="side of the training images, pixels")
    late_side: int = Field(192, ge=32, multiple_of=16, description="side in the last part of the run, pixels")
    late_share: Fraction = Field(0.15, description="share of the budget that is run at `late_side`")
    late_pairs: int = Field(2, ge=1, description="pairs in a batch at `late_side`")
    n_regions: int = Field(4, ge=1, description="regions that are clicked in each image")
    area_power: float = Field(
        0.5,
        ge=0,
        description="regions are drawn by their area to this power: 0 alike, 1 as a random click does",
    )
    n_points: int = Field(5, ge=1, description="largest number of simulated clicks in a region")
    single_share: Fraction = Field(0.6, description="share of the regions that get one click")
    corrective_from: Fraction = Field(0.3, description="share of the budget after which clicks correct masks")
    corrective_share: Fraction = Field(
        0.5, description="share of the steps with corrective clicks from then on"
    )
    balanced_until: Fraction = Field(
        0.3, description="share of the budget in which the weight of the balanced cross-entropy falls to 0.3"
    )
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate")
    warm_up: int = Field(200, ge=0, description="steps in which the learning rate rises")
    weight_decay: float = Field(0.02, ge=0, description="weight decay of AdamW")
    clip: float = Field(1.0, gt=0, description="largest norm of a step's gradient")
    ema: Fraction = Field(0.999, description="decay of the moving average of the weights")
    contrast: float = Field(0.12, ge=0, description="weight of the losses on the embedding")
    half_precision: bool = Field(True, description="bfloat16 in the network's products")
    compiled: bool = Field(False, description="compile the network first")
    seed: int = Field(0, ge=0, description="seed of every draw")
    validate_every: int = Field(250, ge=1, description="steps between validations")
    validation_pairs: int = Field(24, ge=1, description="pairs of the fixed validation set")
    log_every: int = Field(25, ge=1, description="steps between lines of the log")
    checkpoint_minutes: float = Field(3.0, ge=0, description="minutes between checkpoints")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give the budget either in `steps` or in `minutes`")
        return self


PRESETS: dict[str, TrainPocket] = {
    "smoke": TrainPocket(steps=500, side=96, late_share=0.0, validate_every=100),
    "cpu": TrainPocket(minutes=80, side=112, late_side=160, late_share=0.25),
    "more": TrainPocket(
        initial="shipped",
        minutes=100,
        learning_rate=7e-4,
        late_share=0.25,
        corrective_from=0.0,
        balanced_until=0.0,
    ),
    "gpu": TrainPocket(
        steps=48_000,
        n_pairs=32,
        side=128,
        late_side=256,
        late_pairs=16,
        n_regions=6,
        warm_up=1000,
        compiled=True,
        validate_every=1000,
        validation_pairs=64,
        log_every=100,
        checkpoint_minutes=4.0,
    ),
}
