"""What can be plugged in, by name: models, baselines, data sets. Data only; imports no torch."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A plug-in: where it is ("module:object") and what a user must know of it.

    `supervision` is "training-free", "synthetic images" (pretrained on them alone), "unsupervised",
    "label-supervised" or "pretrained elsewhere".
    `checkpoint` names a row of `config/checkpoints.tsv` for a model that needs released weights, `shipped`
    the weights of this package that it uses (a file in `models/weights`).
    """

    name: str
    target: str
    summary: str
    dims: tuple[int, ...] = (2, 3)
    licence: str = "Apache-2.0"
    citation: str = ""
    supervision: str = "training-free"
    checkpoint: str | None = None
    shipped: str | None = None
    trained_on: str = "nothing"
    caveats: str = ""

    def load(self) -> Any:
        """Import and return the plug-in's class."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


def _table(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


MODELS = _table(
    Entry(
        "weightfree",
        "promptreg.models.weightfree:WeightFree",
        "multi-scale context features; geodesic and graph-smoothed colour-model masks; no weights",
    ),
    Entry(
        "pocket",
        "promptreg.models.pocket:Pocket",
        "the package's own small network for click masks and matching features; slice-wise on volumes",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
    ),
    Entry(
        "blend",
        "promptreg.models.blend:Blend",
        "features of pocket beside those of weightfree, masks of weightfree; native in volumes",
        supervision="synthetic images",
        shipped="pocket",
        trained_on="synthetic images alone",
    ),
    Entry(
        "sam_vit_b",
        "promptreg.models.sam:SamVitB",
        "Segment Anything, ViT-B; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_b",
        trained_on="SA-1B natural images",
    ),
    Entry(
        "sam_vit_l",
        "promptreg.models.sam:SamVitL",
        "Segment Anything, ViT-L; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_l",
        trained_on="SA-1B natural images",
    ),
    Entry(
        "sam_vit_h",
        "promptreg.models.sam:SamVitH",
        "Segment Anything, ViT-H; slice-wise on volumes",
        citation="Kirillov et al., Segment Anything, arXiv:2304.02643",
        supervision="pretrained elsewhere",
        checkpoint="sam_vit_h",
        trained_on="SA-1B natural images",
    ),
)

BASELINES = _table(
    Entry("identity", "promptreg.baselines.identity:Identity", "the pre-alignment alone"),
    Entry(
        "affine",
        "promptreg.baselines.niftyreg:Aladin",
        "NiftyReg reg_aladin, symmetric block matching, affine",
        licence="BSD-3-Clause",
        citation="Modat et al., J. Med. Imaging 1(2), 2014",
    ),
    Entry(
        "niftyreg",
        "promptreg.baselines.niftyreg:F3d",
        "NiftyReg reg_aladin, then reg_f3d, free-form deformation",
        licence="BSD-3-Clause",
        citation="Modat et al., Comput. Methods Programs Biomed. 98(3), 2010",
    ),
)

DATASETS = _table(
    Entry("manifest", "promptreg.datasets.manifest:Manifest", "a CSV of paths: anybody's pairs"),
    Entry("demo", "promptreg.datasets.demo:Demo", "embedded real pixels and 3D phantoms with exact truth"),
)

TABLES = {"model": MODELS, "method": BASELINES, "dataset": DATASETS}


def find(kind: str, name: str) -> Entry:
    """Return the entry of a kind ("model", "method", "dataset"); ValueError with close names if absent."""
    table = TABLES[kind]
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    msg = f"unknown {kind} '{name}': {hint}known {kind}s are {', '.join(table)} (promptreg list {kind}s)"
    raise ValueError(msg)
