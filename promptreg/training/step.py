"""One step of training: the losses of a batch, and the update."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.nets.encoder import Encoded
from promptreg.training.batch import Batch, partners
from promptreg.training.clicks import corrective_clicks, simulated_clicks
from promptreg.training.config import TrainPocket
from promptreg.training.contrast import LARGEST_SCALE, peak_loss, point_loss, prototypes, region_loss
from promptreg.training.losses import segmentation_loss
from promptreg.training.schedule import balanced_weight, ema_decay, learning_rate
from promptreg.training.state import State, Trained, follow
from promptreg.training.workers import ALONE, Workers


@dataclass(frozen=True)
class Moment:
    """Where in a run a step is: the share of the budget spent, and whether clicks correct masks in it."""

    spent: float
    corrective: bool


def losses(
    trained: Trained, batch: Batch, config: TrainPocket, moment: Moment, generator: torch.Generator
) -> dict[str, Tensor]:
    """Every loss of a batch by name, unweighted."""
    points, labels = simulated_clicks(
        batch.truth, config.n_points, single_share=config.single_share, generator=generator
    )
    device = batch.images.device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.half_precision):
        encoded, logits, predicted = trained.net(batch.images, points, labels)
    balanced = balanced_weight(config, moment.spent)
    single = (labels >= 0).sum(-1) == 1
    mask, iou = segmentation_loss(logits, predicted, batch.truth, single, batch.valid, balanced=balanced)
    found = {"mask": mask, "iou": iou}
    if moment.corrective:
        best = _best(logits, predicted, single).detach()
        more, kinds = corrective_clicks(best, batch.truth, generator=generator)
        points, labels = torch.cat([points, more], dim=2), torch.cat([labels, kinds], dim=2)
        with torch.autocast(device, torch.bfloat16, enabled=config.half_precision):
            logits, predicted = trained.net.decode(encoded, points, labels)
        again = segmentation_loss(
            logits, predicted, batch.truth, torch.zeros_like(single), batch.valid, balanced=balanced
        )
        found = {name: (found[name] + value) / 2 for name, value in zip(found, again, strict=True)}
    return found | contrastive(encoded, batch, trained.log_scale)


def contrastive(encoded: Encoded, batch: Batch, log_scale: Tensor) -> dict[str, Tensor]:
    """The losses on the embedding, each in both directions of every pair."""
    scale = log_scale.exp().clamp_max(LARGEST_SCALE)
    embedding = encoded.embedding.float()
    protos = prototypes(embedding, batch.shares)
    other, shares = partners(embedding), partners(batch.shares)
    halves = zip(*(x.chunk(2) for x in (protos, partners(protos), shares, batch.valid)), strict=True)
    told_apart = [region_loss(one, its, where, valid, scale) for one, its, where, valid in halves]
    return {
        "peak": peak_loss(protos, other, shares, batch.valid, scale),
        "region": torch.stack(told_apart).mean(),
        "point": point_loss(embedding, other, batch.points, batch.targets, batch.matched, scale),
    }


def update(
    state: State,
    batch: Batch,
    config: TrainPocket,
    moment: Moment,
    generator: torch.Generator,
    workers: Workers = ALONE,
) -> dict[str, float]:
    """Take one step on the batches of all workers; returns this one's losses and the rate by name."""
    rate = learning_rate(config, state.step, moment.spent)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    found = losses(state.trained, batch, config, moment, generator)
    on_embedding = found["peak"] + found["region"] + found["point"]
    total = found["mask"] + found["iou"] + config.contrast * on_embedding
    state.optimizer.zero_grad(set_to_none=True)
    total.backward()
    workers.average_gradients(state.trained.parameters())
    norm = torch.nn.utils.clip_grad_norm_(state.trained.parameters(), config.clip)
    state.optimizer.step()
    follow(state.average, state.trained.net, ema_decay(config, state.step))
    state.step += 1
    state.n_images += len(batch.images) * workers.count
    numbers = {name: value.item() for name, value in found.items()}
    return {"loss": total.item(), **numbers, "gradient": norm.item(), "learning_rate": rate}


def _best(logits: Tensor, predicted: Tensor, single: Tensor) -> Tensor:
    """The mask (B, K, h, w) that each prompt would be answered with."""
    choice = torch.where(single, 1 + predicted[..., 1:].argmax(-1), 0)
    index = choice[..., None, None, None].expand(-1, -1, 1, *logits.shape[-2:])
    return logits.gather(2, index)[:, :, 0]
