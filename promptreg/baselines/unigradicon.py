"""uniGradICON: a network pretrained on many data sets, as it is or tuned on each pair; run as a tool.

The network sees both images as cubes of 175 cells and knows nothing of headers. The moving image is therefore
brought onto the fixed grid by the pre-alignment first, as in the data that the network was trained on.
Intensities are scaled by the tool's own rules for "ct" (Hounsfield units) and "mri"; an image is taken for
CT where it has values below -500, thus air.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from promptreg import checkpoints
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.environments import interpreter
from promptreg.baselines.external import run
from promptreg.baselines.handover import FIXED, MOVING, hand_over
from promptreg.baselines.itk_tools import FIELD, canonical
from promptreg.config import Baselines
from promptreg.geometry import resample
from promptreg.types import Ddf, Image, Pair

NAME = "unigradicon"
"""Of the environment and of the weights."""

AIR = -500.0


@dataclass(frozen=True)
class UniGradIcon:
    """The released network, without any step on the pair."""

    steps: ClassVar[int | None] = None

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment and the network's map as one canonical field; volumes alone."""
        if pair.fixed.grid.ndim != 3:
            raise BaselineUnavailable("uniGradICON registers volumes alone")
        job = {
            "weights": str(weights()),
            "fixed": FIXED,
            "moving": MOVING,
            "fixed_kind": kind(pair.fixed.data),
            "moving_kind": kind(pair.moving.data),
            "steps": self.steps,
            "field": FIELD,
            "seed": 1,
            "threads": settings.threads,
        }
        python = interpreter(NAME)
        hand_over(on_one_grid(pair), workdir)
        (workdir / "job.json").write_text(json.dumps(job))
        run(
            [python, Path(__file__).parent / "tools" / "run_unigradicon.py", "job.json"],
            workdir=workdir,
            time_limit_s=settings.time_limit_s,
            threads=settings.threads,
        )
        return canonical(workdir / FIELD, pair, "uniGradICON")


class UniGradIconTuned(UniGradIcon):
    """The released network after 50 steps of tuning on the pair, the tool's default."""

    steps = 50


def weights() -> Path:
    """Return the file of the released weights, verified; BaselineUnavailable, with what to do, without it."""
    usable, reason = checkpoints.status(NAME)
    if not usable:
        raise BaselineUnavailable(f"checkpoint '{NAME}': {reason}")
    return checkpoints.verify(NAME)


def kind(data: Tensor) -> str:
    """Return by which of the tool's rules an image is scaled: "ct" if it holds air, else "mri"."""
    return "ct" if float(data.min()) < AIR else "mri"


def on_one_grid(pair: Pair) -> Pair:
    """Return the pair with its moving image pulled onto the fixed grid by the pre-alignment."""
    source, target = pair.moving.grid, pair.fixed.grid
    moving = resample(pair.moving.data, source, target, transform=pair.prealignment, padding="border")
    return Pair(Image(moving, target), pair.fixed, np.eye(target.ndim + 1))
