"""How a stage works on one image or pair: a failure becomes a recorded reason, never a silent gap."""

from __future__ import annotations

import errno
import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from promptreg.baselines.base import BaselineUnavailable
from promptreg.checkpoints import CheckpointUnavailable
from promptreg.stages.inputs import NoResult, Variables
from promptreg.store import StoreError, Writer
from promptreg.trust import OtherFile

log = logging.getLogger("promptreg")

Result = tuple[Variables, dict[str, Any]]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def attempt_each(
    writer: Writer,
    stage: str,
    names: Sequence[str],
    work: Callable[[str], Result],
    *,
    known: Mapping[str, dict[str, Any]] | None = None,
    count_flops: bool = False,
) -> None:
    """Run `work` on every name and write what it returns: variables and attributes.

    A damaged input store, weights that are others than their name says, and a full disk end the job; any
    other error ends only this name's work and is written with its reason and with the attributes that are
    `known` of it beforehand. Seconds, peak memory and, if asked, floating-point operations that PyTorch can
    count are recorded by stage, unless the work states its own; progress goes to the log.
    """
    begun = time.perf_counter()
    for number, name in enumerate(names, 1):
        started = time.perf_counter()
        given = (known or {}).get(name, {})
        operations: dict[str, int] = {}
        try:
            variables, attrs = _counted(work, name, stage, operations) if count_flops else work(name)
        except NoResult as earlier:
            log.warning("%s: no input: %s", name, earlier)
            writer.fail(name, str(earlier), earlier.status, **given)
        except (BaselineUnavailable, CheckpointUnavailable) as error:
            log.warning("%s: not run: %s", name, error)
            writer.fail(name, str(error), "not run", **given)
        except (StoreError, OtherFile):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_SPACE:
                raise
            log.exception("%s: failed in %s", name, stage)
            writer.fail(name, f"{stage}: {type(error).__name__}: {error}", **given)
        else:
            seconds = {stage: round(time.perf_counter() - started, 3), **attrs.pop("seconds", {})}
            if operations := operations | attrs.pop("flops", {}):
                attrs["flops"] = operations
            writer.put(name, variables, seconds=seconds, peak_memory_mb=_peak_memory_mb(attrs), **attrs)
        left = (time.perf_counter() - begun) / number * (len(names) - number)
        log.info("%s %d/%d %s, about %.0f s left", stage, number, len(names), name, left)


def _counted(work: Callable[[str], Result], name: str, stage: str, operations: dict[str, int]) -> Result:
    """Do the work and put the number of its operations into `operations`, if there are any to count."""
    with FlopCounterMode(display=False) as counter:
        result = work(name)
    if total := counter.get_total_flops():
        operations[stage] = total
    return result


def _peak_memory_mb(attrs: dict[str, Any]) -> float:
    """The largest of an earlier stage's peak (popped), this process's and its children's, in MB."""
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    return round(max(attrs.pop("peak_memory_mb", 0.0), here, child, gpu), 1)
