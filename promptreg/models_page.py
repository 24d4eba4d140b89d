"""The manual of the promptable models, docs/models.md: written text around tables of what is registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptreg.checkpoint_table import Checkpoint
from promptreg.entry import Entry

PAGE = """\
# Promptable models

Generated from `promptreg/catalogue/models.py` and `config/checkpoints.tsv` by `promptreg config`; the text
is in `promptreg/models_page.py`.

{models}

Dimensions: a 2D model runs slice by slice on volumes where its row says 3D. Points in training: whether the
model has seen points as prompts when it was trained. Parameters in millions.

## What to know of each

{notes}

## Released weights

{weights}

**How they get there.** Nothing is downloaded unless you ask for it:

    promptreg weights list                 # what there is, and what is here
    promptreg weights fetch sam_vit_b      # download, check, keep
    promptreg weights verify all           # hash everything that is here

Files lie in `~/.cache/promptreg`, or in the folder that the variable `PROMPTREG_CACHE` names. A file that
you put there yourself under the name in the table counts as fetched: this is the way for addresses that
need a browser (Google Drive, Dropbox, pages behind a login), and for machines without network: fill a
folder elsewhere, carry it over, set `PROMPTREG_CACHE`. A benchmark goes on without weights that are absent;
their row says "not run" and why.

**Are they the right ones?** Where a size and a sha256 are published, the file must have them. Where none
is, the first use records what it found beside the file (`<file>.lock.json`) and says so; another file under
the same name is an error from then on, until you delete the lock. The hash is part of what results depend
on, so other weights under an old name never mix with results of the old ones. Files are read as tensors;
none of their code runs. Every key of a state dict must match the model in name and shape, or loading fails
with the list of those that do not.

**Licences.** Weights marked noncommercial or gated are not used until you have accepted their licence, in
one of three ways: `promptreg weights fetch NAME --accept-licence` (remembered in the cache for that
licence), the variable `PROMPTREG_ACCEPT_LICENCES=NAME,NAME` (or `all`), or `accept_licences: [NAME]` in the
configuration.

**Seen in training.** A manifest may name the public data set of each pair (column `source`). In a group
whose source a model has seen in training its numbers carry a † in the tables, and `table1.csv` says so in
the column `seen_in_training`.

## Left out, and why

- EfficientSAM: it ignores negative points and all points after the sixth, both without a word.
- LiteMedSAM: it takes boxes alone; `medsam_box` shows what boxes guessed from clicks are worth.
- SAM 3: its weights are gated under a licence that restricts their use, and what it adds, prompts by text,
  has no place here.
- ScribblePrompt-UNet: it sees clicks as single pixels of a picture of 128, without derivatives;
  `scribbleprompt_sam` was trained on the same data with the same prompts.
- MedSAM's extension for points: a training script on one data set (FLARE22), no released weights.
- 3DSAM-adapter: weights for tumours alone, without a licence; `sam_adapter3d` is the model that the paper
  cites.
- SAM 2.0, SAM-HQ's smallest, SAM-Med2D without adapters, MedSAM2's files for one organ: other weights of
  models that are here.

## Add your own model

One file and one row.

1. Write a class with `name`, `ndim`, `differentiable`, `negative_points`, `embed` and `decode`;
   `promptreg/models/base.py` states the contract. [examples/my_model.py](examples/my_model.py) is a whole
   one: regions of like intensity, grown from clicks.
2. Features, masks and the image have a `Grid` each, which says where its cells lie in the world; if your
   network resizes or pads, say so by the grids alone. Points come in array order, (y, x) or (z, y, x), in
   cells of the image.
3. Set `differentiable = False` if the masks have no derivatives with respect to the points: the search then
   compares candidate points instead of taking Gauss-Newton steps.
4. A model of planar images becomes one of volumes by `promptreg.models.slicewise.Slicewise`.
5. Register it in `promptreg/catalogue/models.py`: `Entry("regions", "promptreg.models.my_model:Regions",
   "regions of like intensity, grown from clicks")`. State honestly what it was trained on (`trained_on`),
   which public data sets it has seen (`seen`), and its `caveats`.
6. Released weights: one line in `config/checkpoints.tsv`, and in the class `checkpoints.load_strictly(net,
   checkpoints.load_state_dict(NAME), NAME)`.
7. Run the contract: `pytest tests/contract/test_models.py -k regions`. Then `promptreg register --model
   regions ...`, or a variant of the configuration with `embed: {{model: regions}}`.
"""

_TITLES = ("model", "what", "takes", "prompts", "points in training", "parameters", "trained on", "weights")
_WEIGHTS = ("weights", "file", "MB", "licence", "trained on", "from")


def models_page(models: Mapping[str, Entry], weights: Mapping[str, Checkpoint]) -> str:
    """Return the page, Markdown, of the registered models and their released weights."""
    return PAGE.format(
        models=markdown_table(_TITLES, (_model_cells(one) for one in models.values())),
        notes="\n".join(note for one in models.values() if (note := _note(one))),
        weights=markdown_table(_WEIGHTS, (_weights_cells(one) for one in weights.values())),
    )


def _model_cells(entry: Entry) -> tuple[str, ...]:
    return (
        f"`{entry.name}`",
        entry.summary,
        ", ".join(f"{n}D" for n in entry.dims),
        entry.prompts,
        "–" if entry.supervision == "training-free" else "yes" if entry.point_trained else "**no**",
        "–" if entry.parameters_m is None else f"{entry.parameters_m:g}",
        entry.trained_on,
        f"`{entry.checkpoint}`" if entry.checkpoint else "in the package" if entry.shipped else "none",
    )


def _note(entry: Entry) -> str:
    """One line on what the table has no room for, or an empty text."""
    parts = [
        entry.caveats and f"{entry.caveats}.",
        entry.seen and f"Seen in training: {', '.join(entry.seen)}.",
        entry.citation and f"{entry.citation}.",
    ]
    return f"- `{entry.name}`: {' '.join(part for part in parts if part)}" if any(parts) else ""


def _weights_cells(row: Checkpoint) -> tuple[str, ...]:
    return (
        f"`{row.name}`",
        f"`{row.file}`",
        "unknown" if row.n_bytes is None else f"{row.n_bytes / 1e6:.0f}",
        f"{row.licence}, **{row.accept}**" if row.accept else row.licence,
        row.trained_on,
        f"<{row.url}>",
    )


def markdown_table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a pipe table of texts."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
