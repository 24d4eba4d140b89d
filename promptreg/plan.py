"""What must be made for a configuration: the job behind each store.

The workflow asks this module for everything that its rules cannot say as plain text.
"""

from __future__ import annotations

import os
from typing import Any

from promptreg.availability import data_licences
from promptreg.disclosure import seen_in_training
from promptreg.registry import BASELINES
from promptreg.settings import ConfigError
from promptreg.stage_plan import StagePlan

MOST_OF_PATHS = 1_800_000
"""Bytes; Linux passes at most 2 MiB of arguments and environment to a command, and a pointer to each."""
POINTER = 9
"""Bytes beside the characters of an argument: its pointer and its end."""


class Plan(StagePlan):
    """The layout of a benchmark, with the parameters of the job behind each of its stores."""

    def check(self) -> None:
        """List the pairs of every data set that is here; ConfigError on bad input, or too many shards."""
        super().check()
        if self.to_fetch:
            return
        reading = {"gather": self.measures} | {
            f"extremes of {one}": self.extremes_inputs(one) for one in self.datasets
        }
        for name, paths in reading.items():
            if sum(len(os.fsencode(one)) + POINTER for one in paths) > MOST_OF_PATHS:
                msg = (
                    f"shard_size: the job '{name}' would read {len(paths)} files, more than a command line "
                    f"names: set it above {self.config.shard_size}, or results_dir to a shorter path"
                )
                raise ConfigError(msg)

    def evaluate_job(self, method: str, dataset: str) -> str:
        """Measure the fields of one method."""
        return self._job(
            "evaluate",
            unavailable=self.unavailable(method),
            method=method if method in BASELINES else "promptreg",
            variant="" if method in BASELINES else method,
            dataset=dataset,
            evaluate=self.config.evaluate.model_dump(),
        )

    def inverse_job(self, method: str, dataset: str) -> str:
        """Compare the fields of both ways of one method."""
        variant = "" if method in BASELINES else method
        return self._job(
            "inverse", method=method if not variant else "promptreg", variant=variant, dataset=dataset
        )

    def calibrate_job(self, variant: str, dataset: str) -> str:
        """Set what a variant foretells of its errors against them."""
        return self._job("calibrate", variant=variant, dataset=dataset)

    def listing_job(self) -> str:
        """List all pairs."""
        return self._job("listing")

    def costs_job(self) -> str:
        """Sum what the jobs have cost."""
        return self._job("costs")

    def summary_job(self, stage: str, **more: Any) -> str:
        """Tables, a figure or the report over everything; only figures and report depend on the style."""
        settings = self.config.model_dump(mode="json", exclude={"results_dir", "accept_licences", "data_dir"})
        if stage == "tables":
            settings.pop("figures")
        if stage == "figures":
            return self._job(stage, config=settings, **more)
        if stage == "report":
            more |= {"licences": data_licences(self.config, self.sources), "left_out": self.left_out}
        return self._job(stage, config=settings, seen=seen_in_training(self.config, self.sources), **more)

    def analysis_job(self, name: str) -> str:
        """The table of one analysis."""
        without = {"results_dir", "accept_licences", "figures"}
        return self._job("analysis", config=self.config.model_dump(mode="json", exclude=without), name=name)

    def gallery_job(self, dataset: str, pair: str) -> str:
        """Draw the pictures of one pair."""
        return self._job(
            "gallery",
            pair=pair,
            dataset=dataset,
            fields=self.fields(dataset, pair),
            searched=self.searched(dataset, pair),
            shown=self.shown[0] if self.shown else None,
            figures=self.config.figures.model_dump(),
        )

    def extremes_job(self, dataset: str) -> str:
        """Draw the worst, median and best pair of every method."""
        return self._job(
            "extremes", dataset=dataset, methods=self.runnable, figures=self.config.figures.model_dump()
        )
