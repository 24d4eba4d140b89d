"""Train the scores of candidate masks: click at synthetic images, then fit a tiny network in seconds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from promptreg.atomic import replacing
from promptreg.checkpoints import shipped_hash
from promptreg.models.mask_cues import HAND_SCORE
from promptreg.models.mask_scores import inputs, score_logits
from promptreg.models.pocket import Pocket
from promptreg.nets.weightfile import write_record
from promptreg.provenance import code_digest, versions
from promptreg.seeds import derive_seed
from promptreg.training.score_examples import Clicker, Examples, scenes, together

HELD_OUT = 0.15
WIDTHS = (32, 16)
STEPS, BATCH, RATE, DECAY = 500, 256, 2e-3, 1.0
CHOICE, SHARPNESS = 1.0, 3.0
LEAST_SPREAD = 1e-3
FILE = "mask_scores.safetensors"


def train_scores(out: Path, *, seed: int, pairs: dict[int, int]) -> list[dict[str, Any]]:
    """Train the network of each dimension on so many synthetic pairs; writes weights, record and table.

    Returns the rows of the table, measured on pairs that the fit has not seen.
    """
    weights: dict[str, Tensor] = {}
    rows: list[dict[str, Any]] = []
    for ndim, count in pairs.items():
        seen, unseen = parted(collected(ndim, count, seed))
        network = fitted(seen, derive_seed("mask scores", seed, ndim, "fit"))
        halved = {name: one.half() for name, one in network.items()}
        weights |= {f"{ndim}d.{name}": one for name, one in halved.items()}
        rows += [{"dimension": ndim, **row} for row in table(unseen, halved)]
    about = {
        "seed": seed,
        "pairs": pairs,
        "pocket": shipped_hash("pocket"),
        "code": code_digest("promptreg.training.scores"),
        "versions": versions(),
        "trained_on": "synthetic images alone",
    }
    with replacing(out / FILE) as temporary:
        save_file(weights, temporary, metadata={name: json.dumps(value) for name, value in about.items()})
    write_record(out / FILE)
    with replacing(out / "mask_scores.csv") as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


@torch.no_grad()
def collected(ndim: int, count: int, seed: int) -> Examples:
    """Click at both images of synthetic pairs."""
    pocket, parts = Pocket(), list[Examples]()
    for scene in scenes(ndim, count, seed):
        draw = derive_seed("mask score clicks", seed, scene.number, len(parts) % 2)
        clicker = Clicker(scene, pocket, draw)
        if len(clicker.truth):
            parts.append(clicker.examples())
    return together(parts)


def parted(examples: Examples) -> tuple[Examples, Examples]:
    """Return the examples of the first pairs, and those of the last, which are held out."""
    first = int((1 - HELD_OUT) * int(examples.scene.max() + 1))
    return examples.rows(examples.scene < first), examples.rows(examples.scene >= first)


def fitted(examples: Examples, seed: int) -> dict[str, Tensor]:
    """Fit a network to examples."""
    generator = torch.Generator().manual_seed(seed)
    weights = untrained(examples.cues, generator)
    learned = [one.requires_grad_() for name, one in weights.items() if name not in ("mean", "spread")]
    optimizer = torch.optim.AdamW(learned, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(examples.cues), (BATCH,), generator=generator)
        optimizer.zero_grad()
        loss(score_logits(examples.cues[rows], weights), examples.iou[rows]).backward()
        optimizer.step()
        schedule.step()
    return {name: one.detach() for name, one in weights.items()}


def untrained(cues: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the weights of an untrained network for cues like those given, (N, M, n_cues)."""
    seen = inputs(cues).flatten(0, 1)
    weights = {"mean": seen.mean(0), "spread": seen.std(0).clamp_min(LEAST_SPREAD)}
    sizes = (seen.shape[1], *WIDTHS, 1)
    for name, n_in, n_out in zip(("first", "second", "last"), sizes, sizes[1:], strict=False):
        weights[name] = torch.randn(n_in, n_out, generator=generator) * (2 / n_in) ** 0.5
        if name != "first":
            weights[f"{name}_bias"] = torch.zeros(n_out)
    weights["sort"] = torch.zeros(cues.shape[1], WIDTHS[0])
    return weights


def loss(logits: Tensor, iou: Tensor) -> Tensor:
    """Return the error of foretold IoUs (N, M), and what a soft choice by them loses against the best one."""
    share = (SHARPNESS * logits).softmax(1)
    regret = iou.amax(1) - (share * iou).sum(1)
    return binary_cross_entropy_with_logits(logits, iou) + CHOICE * regret.mean()


def table(examples: Examples, weights: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Return the mean IoU of the choices by network, hand score and oracle, for one click and for several."""
    logits = score_logits(examples.cues, {name: one.float() for name, one in weights.items()})
    rows = []
    for name, which in (("1", examples.clicks == 1), ("2 to 5", examples.clicks > 1)):
        part = examples.rows(which)
        scores = {"learned": logits[which], "by_hand": part.cues[..., HAND_SCORE], "oracle": part.iou}
        row: dict[str, Any] = {"clicks": name, "prompts": len(part.iou)}
        for choice, by in scores.items():
            row[choice] = round(float(part.iou.gather(1, by.argmax(1)[:, None]).mean()), 4)
        rows.append(row)
    return rows
