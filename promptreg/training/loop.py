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
from promptreg.training.workers import ALONE, Workers

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"

logger = logging.getLogger(__name__)


def train(
    config: TrainPocket,
    out: Path,
    *,
    device: torch.device,
    resume: bool = False,
    workers: Workers = ALONE,
) -> State:
    """Train until the budget is spent; everything lies in the folder `out`, written by the first worker.

    Draws depend on the seed, the number of the step and the worker alone, so that a resumed run with a
    budget in steps goes on exactly as if it had never stopped.
    """
    state = _start(config, out, device, resume=resume)
    if config.compiled:
        state.trained.net.compile()
    clock = _Clock(state.seconds)
    records = _Records(config, out, device, clock) if workers.is_first else None
    if records:
        records.begin(state)
    while (spent := progress(config, state.step, workers.agreed(clock.seconds, device))) < 1:
        batch, generator = _draw(config, state.step, spent, device, clock, workers)
        moment = _moment(config, spent, generator)
        clock.collect(update(state, batch, config, moment, generator, workers))
        state.seconds = clock.seconds
        if records:
            records.after_step(state)
    if records:
        records.end(state)
    return state


class _Records:
    """What a run leaves behind: log, validation and checkpoints."""

    def __init__(self, config: TrainPocket, out: Path, device: torch.device, clock: _Clock) -> None:
        self.config, self.out, self.clock = config, out, clock
        self.held_out = validation_set(config, device)

    def begin(self, state: State) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        log.begin(self.out / LOG, state.step)

    def after_step(self, state: State) -> None:
        validating = state.step % self.config.validate_every == 0
        if validating or state.step % self.config.log_every == 0:
            self._report(state, validating=validating)
        if self.clock.since_saved() > 60 * self.config.checkpoint_minutes:
            save(state, self.config, self.out / CHECKPOINT)
            self.clock.saved()

    def end(self, state: State) -> None:
        self._report(state, validating=True)
        save(state, self.config, self.out / CHECKPOINT)

    def _report(self, state: State, *, validating: bool) -> None:
        """Add a line to the log and say the same in words."""
        measures = validate(state.average, self.held_out, self.config) if validating else {}
        numbers = self.clock.means() | measures
        where = {"step": state.step, "n_images": state.n_images, "seconds": state.seconds}
        log.append(self.out / LOG, where | {"side": self.clock.side} | numbers)
        shown = ("loss", "mask", "peak", "point", *log.COLUMNS[-5:])
        words = " ".join(f"{name} {numbers[name]:.3f}" for name in shown if name in numbers)
        logger.info("step %d, %d images, %.0f s: %s", state.step, state.n_images, state.seconds, words)


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
        self.side = 0
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
    config: TrainPocket, step: int, spent: float, device: torch.device, clock: _Clock, workers: Workers
) -> tuple[Batch, torch.Generator]:
    """Draw a worker's batch of a step, and the generator of its clicks."""
    n_pairs, side = batch_shape(config, spent)
    began = time.monotonic()
    who = (step, workers.rank) if workers.count > 1 else (step,)
    pairs = synth_pairs(
        n_pairs, (side, side), seed=derive_seed(config.seed, "pocket", "pairs", *who), device=device
    )
    clock.drawing += time.monotonic() - began
    clock.side = side
    generator = torch.Generator(device).manual_seed(derive_seed(config.seed, "pocket", "clicks", *who))
    batch = make_batch(pairs, config.n_regions, generator, area_power=config.area_power)
    return batch, generator


def _moment(config: TrainPocket, spent: float, generator: torch.Generator) -> Moment:
    draw = torch.rand((), generator=generator, device=generator.device).item()
    return Moment(spent, spent >= config.corrective_from and draw < config.corrective_share)
