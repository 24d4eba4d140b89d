"""Train the score of the weight-free model's candidate masks on synthetic images, and on nothing else.

    python -m promptreg.models.train_mask_score --out mask_score.safetensors --seed 0 --minutes 10

Most of the time goes into clicking at synthetic images; the network is then fitted in seconds. Beside the
weights lies a learning curve, CSV, measured on synthetic images that the fit has not seen.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from promptreg.models.click_examples import Examples, clicked_examples, synthetic_images
from promptreg.models.mask_score import foretold_dice, hand_score, untrained
from promptreg.seeds import derive_seed

HELD_OUT = 0.15
HIDDEN, STEPS, BATCH, RATE, DECAY = 32, 1500, 256, 3e-3, 0.1
CHOICE_WEIGHT, SHARPNESS = 1.0, 10.0
LOG_EVERY = 100


def collect(seed: int, seconds: float, images: int | None) -> list[Examples]:
    """Click at synthetic images until the time is over or there are enough; one entry an image."""
    until, found = time.monotonic() + seconds, []
    for image, labels, parents, draw in synthetic_images(seed):
        found.append(clicked_examples(image, labels, parents, seed=draw))
        if time.monotonic() > until or len(found) == images:
            return found
    return found


def joined(parts: list[Examples]) -> Examples:
    """Return all examples as one."""
    return Examples(torch.cat([one.cues for one in parts]), torch.cat([one.dice for one in parts]))


def fit(examples: Examples, seed: int) -> Iterator[tuple[int, float, dict[str, Tensor]]]:
    """Fit a network; yields the step, the mean loss since the last time, and the weights so far."""
    generator = torch.Generator().manual_seed(derive_seed("mask score", seed, "fit"))
    weights = untrained(examples.cues, HIDDEN, generator)
    learned = [value.requires_grad_() for name, value in weights.items() if name not in ("mean", "spread")]
    optimizer = torch.optim.AdamW(learned, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    total = 0.0
    for step in range(1, STEPS + 1):
        rows = torch.randint(len(examples.cues), (BATCH,), generator=generator)
        value = loss(foretold_dice(examples.cues[rows], weights), examples.dice[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        total += float(value.detach())
        if step % LOG_EVERY == 0:
            yield step, total / LOG_EVERY, {name: value.detach() for name, value in weights.items()}
            total = 0.0


def loss(foretold: Tensor, dice: Tensor) -> Tensor:
    """Return the error of foretold Dice (N, M), and what a soft choice by it loses against the best one."""
    error = binary_cross_entropy(foretold.clamp(1e-4, 1 - 1e-4), dice.clamp(0, 1))
    share = (SHARPNESS * foretold).softmax(1)
    return error + CHOICE_WEIGHT * (dice.amax(1) - (share * dice).sum(1)).mean()


def chosen_dice(examples: Examples, scores: Tensor) -> float:
    """Return the mean Dice of the candidates with the highest scores (N, M)."""
    return float(examples.dice.gather(1, scores.argmax(1)[:, None]).mean())


def curve_row(held_out: Examples, weights: dict[str, Tensor]) -> dict[str, float]:
    """Return the Dice of the choices by network, hand score and oracle, in 2D and 3D, and the error."""
    row = {"error": float((foretold_dice(held_out.cues, weights) - held_out.dice).abs().mean())}
    for ndim in (2, 3):
        rows = held_out.cues[:, 0, -1] == float(ndim == 3)
        part = Examples(held_out.cues[rows], held_out.dice[rows])
        row[f"chosen_{ndim}d"] = chosen_dice(part, foretold_dice(part.cues, weights))
        row[f"by_hand_{ndim}d"] = chosen_dice(part, hand_score(part.cues))
        row[f"oracle_{ndim}d"] = chosen_dice(part, part.dice)
    return row


def train(parts: list[Examples], out: Path, seed: int) -> None:
    """Fit to all but the last pairs of images; write the weights, and the learning curve beside them."""
    n_used = 2 * round((1 - HELD_OUT) * len(parts) / 2)
    examples, held_out = joined(parts[:n_used]), joined(parts[n_used:])
    rows = []
    for step, value, weights in fit(examples, seed):
        rows.append({"step": step, "loss": value, **curve_row(held_out, weights)})
    about = {
        "trained_on": "synthetic images",
        "seed": str(seed),
        "images": str(len(parts)),
        "held_out_images": str(len(parts) - n_used),
        "prompts": str(len(examples.cues)),
    }
    save_file({name: value.contiguous() for name, value in weights.items()}, out, metadata=about)
    with out.with_suffix(".csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({name: f"{value:.5g}" for name, value in row.items()} for row in rows)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10, help="how long to click at images")
    parser.add_argument("--images", type=int, help="stop after so many images, to repeat a training exactly")
    given = parser.parse_args()
    torch.set_num_threads(1)
    train(collect(given.seed, 60 * given.minutes, given.images), given.out, given.seed)


if __name__ == "__main__":
    main()
