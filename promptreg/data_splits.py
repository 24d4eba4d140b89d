"""Write the tables of splits that a configuration names, for data that are here or have known subjects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from promptreg.availability import located, source_of
from promptreg.config import Config, Dataset
from promptreg.settings import ConfigError
from promptreg.shards import DatasetPlan
from promptreg.split_tables import read_split, write_split
from promptreg.splits import Part, extended


@dataclass(frozen=True)
class Updated:
    """A table after subjects were added to it, and how many came new."""

    dataset: str
    path: Path
    parts: dict[str, Part]
    n_new: int


def update_splits(config: Config) -> Iterator[Updated]:
    """Add to every table the subjects of its data set who do not stand in it; nobody is moved.

    Raises:
        ConfigError: no data set names a table, or nobody can say who its subjects are.
    """
    named = [spec for spec in config.datasets if spec.split]
    if not named:
        msg = "no data set names a table: set `split` of one, such as split: config/splits/mine.tsv"
        raise ConfigError(msg)
    for spec in named:
        path = Path(str(spec.split))
        before = read_split(path) if path.is_file() else {}
        parts = extended(
            before,
            _subjects(spec, config),
            seed=config.seed,
            test_share=config.train.test_share,
            validation_share=config.train.validation_share,
        )
        write_split(path, parts)
        yield Updated(spec.name, path, parts, len(parts) - len(before))


def _subjects(spec: Dataset, config: Config) -> list[str]:
    """Who is in the published release, then who else is in the data that are here."""
    source = source_of(spec)
    published = list(source.subjects) if source else []
    here, todo = located(spec, config)
    if todo or not Path(here.path or config.manifest or ".").exists():
        if not published:
            msg = f"data set '{spec.name}': its subjects are not known before its data are here: {todo}"
            raise ConfigError(msg)
        return published
    whole = here.model_copy(update={"split": None, "reference": False, "limit": None})
    return [*published, *DatasetPlan(whole, config.manifest, 1).subjects.values()]
