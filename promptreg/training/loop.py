"""The training loop: draws, steps, validation, log and checkpoints."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs
from promptreg.training import log
from promptreg.training.batch import Batch, make_batch
from promptreg.training.config import TrainPocket
from promptreg.training.schedule import batch_shape, progress
from promptreg.training.state import State, first_state, load, save
from promptreg.training.step import Moment, update
from promptreg.training.validation import validate, validation_set

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"

logger = logging.getLogger(__name__)


def train(config: TrainPocket, out: Path, *, device: torch.device, resume: bool = False) -> State:
    """Train until the budget is spent; everything lies in the folder `out`.

    Draws depend on the seed and the number of the step alone, so that a resumed run with a budget in steps
    goes on exactly as if it had never stopped.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = _start(config, out, device, resume=resume)
    log.begin(out / LOG, state.step)
    if config.compiled:
        state.trained.net.compile()
    held_out = validation_set(config, device)
    clock = _Clock(state.seconds)
    while (spent := progress(config, state.step, clock.seconds)) < 1:
        batch, generator = _draw(config, state.step, spent, device, clock)
        clock.collect(update(state, batch, config, _moment(config, spent, generator), generator))
        state.seconds = clock.seconds
        validating = state.step % config.validate_every == 0
        if validating or state.step % config.log_every == 0:
            measures = validate(state.average, held_out, config) if validating else {}
            _report(state, batch, clock.means() | measures, out)
        if clock.since_saved() > 60 * config.checkpoint_minutes:
            save(state, config, out / CHECKPOINT)
            clock.saved()
    _report(state, batch, clock.means() | validate(state.average, held_out, config), out)
    save(state, config, out / CHECKPOINT)
    return state


def _start(config: TrainPocket, out: Path, device: torch.device, *, resume: bool) -> State:
    path = out / CHECKPOINT
    if resume:
        return load(path, config, device) if path.is_file() else first_state(config, device)
    if path.exists():
        raise ValueError(f"{path} exists: resume that run or choose another folder")
    return first_state(config, device)


class _Clock:
    """Wall time of a run over all its parts, and means of what happened since they were last asked for."""

    def __init__(self, before: float) -> None:
        self._zero = time.monotonic() - before
        self._saved = time.monotonic()
        self._asked = self.seconds
        self.drawing = 0.0
        self._sums: dict[str, float] = {}
        self._n = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._zero

    def since_saved(self) -> float:
        return time.monotonic() - self._saved

    def saved(self) -> None:
        self._saved = time.monotonic()

    def collect(self, numbers: dict[str, float]) -> None:
        self._n += 1
        for name, value in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Means since the last call, with `generating`, the share of the time that went into draws."""
        passed = max(self.seconds - self._asked, 1e-9)
        found = {name: total / self._n for name, total in self._sums.items()}
        found["generating"] = self.drawing / passed
        self._asked, self.drawing, self._sums, self._n = self.seconds, 0.0, {}, 0
        return found


def _draw(
    config: TrainPocket, step: int, spent: float, device: torch.device, clock: _Clock
) -> tuple[Batch, torch.Generator]:
    """Draw the batch of a step, and the generator of its clicks."""
    n_pairs, side = batch_shape(config, spent)
    began = time.monotonic()
    seed = derive_seed(config.seed, "pocket", "pairs", step)
    pairs = synth_pairs(n_pairs, (side, side), seed=seed, device=device)
    clock.drawing += time.monotonic() - began
    generator = torch.Generator(device).manual_seed(derive_seed(config.seed, "pocket", "clicks", step))
    batch = make_batch(pairs, config.n_regions, generator, area_power=config.area_power)
    return batch, generator


def _moment(config: TrainPocket, spent: float, generator: torch.Generator) -> Moment:
    draw = torch.rand((), generator=generator, device=generator.device).item()
    return Moment(spent, spent >= config.corrective_from and draw < config.corrective_share)


def _report(state: State, batch: Batch, numbers: dict[str, float], out: Path) -> None:
    """Add a line to the log and say the same in words."""
    where = {"step": state.step, "n_images": state.n_images, "seconds": state.seconds}
    log.append(out / LOG, where | {"side": batch.images.shape[-1]} | numbers)
    shown = ("loss", "mask", "peak", "point", *log.COLUMNS[-5:])
    words = " ".join(f"{name} {numbers[name]:.3f}" for name in shown if name in numbers)
    logger.info("step %d, %d images, %.0f s: %s", state.step, state.n_images, state.seconds, words)
