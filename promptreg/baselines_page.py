"""The manual of the methods beside PromptReg, docs/baselines.md: written text around what is registered."""

from __future__ import annotations

from collections.abc import Mapping

from promptreg.entry import Entry
from promptreg.models_page import markdown_table

PAGE = """\
# Methods beside PromptReg

Generated from `promptreg/catalogue/baselines.py` by `promptreg config`; the text is in
`promptreg/baselines_page.py`.

{methods}

Dimensions: where a row says 3D alone, planar pairs are "not run". Runs in: "package" for methods that this
package brings, else the environment of a tool (`promptreg tools install NAME`; methods without their tool
are "not run", and the table says so).

## What to know of each

{notes}

## How the comparison is kept fair

1. **The same start.** Every method starts from the same pre-alignment (`prealign`): tools get it in the
   header of the moving image, networks get the moving image resampled by it. No tool may centre the images
   on its own. `identity`, the pre-alignment alone, and `affine` are among the default methods: what cannot
   beat them is no registration.
2. **The same end.** Every method ends in one displacement field on the fixed image's own grid, in world
   units, pre-alignment included. Labels and landmarks are warped through that field by one piece of code,
   never by a tool's own resampler.
3. **At its best.** Settings are published ones or a tool's own; where they are from is in the table. They
   are the same for all data sets.
4. **What a method was told.** The column "supervision" says whether it is training-free, was trained without
   labels, with labels, or elsewhere. Methods that are trained on a data set see only pairs of subjects who
   are not in the test. A † marks data that a method has seen in training elsewhere, where the manifest says
   what the data is.
5. **No silent gap.** A failed pair is a failed row with its reason; it counts, and so do folds. A method
   that cannot run says why instead of leaving the table.
6. **Time** is wall time of a whole registration with `baselines.threads` threads, of which starting a tool
   and handing over files are part. Training is not; some methods use an accelerator where there is one.

Numbers that others have published stand in a table of their own, `tables/published.md` and beneath the
report's own tables, marked "as published, not comparable": other data, other splits. They are kept in
`promptreg/published.csv`, each with its source.

## Left out, and why

{left_out}

## Add a method

One file and one row: a class with `register(pair, settings, workdir)` that returns the canonical field
(`promptreg/baselines/base.py` states the contract), and an `Entry` in `promptreg/catalogue/baselines.py`.
A tool whose requirements clash with this package's gets an environment (`envs/NAME.in`, `.lock`, `.yaml`)
and a script in `promptreg/baselines/tools` that reads `job.json` and writes a field; released weights get a
row in `config/checkpoints.tsv`, and the script gets the path of the file and downloads nothing. Then
`pytest tests/contract/test_baselines.py -k NAME`.
"""

LEFT_OUT = {
    "corrfield": "needs lung masks and keypoints, and states no licence",
    "deeds": "no installable package; to be built from C++, of which there is no release",
    "dirac": "weights for brains alone; published numbers are shown where there are some",
    "lapirn": "no package, weights for brains and lungs alone; its published numbers are shown",
    "pdd-net": "no package and no weights for the data at hand; its published numbers are shown",
    "samreg": "the official code states no licence; its published numbers are shown",
    "released synthmorph": "needs TensorFlow; weights for brains and random shapes",
    "roma": "needs an accelerator; loftr and sift_matcher stand for matchers of planar images",
    "mesa": "matches areas of planar photographs by a graph, for poses, not for fields",
    "superpoint, superglue": "their weights forbid commercial use",
}
"""Methods that one may miss, and why they are absent; one that is registered is listed no longer."""

_TITLES = ("method", "what", "takes", "supervision", "settings", "runs in", "licence", "weights")


def baselines_page(methods: Mapping[str, Entry]) -> str:
    """Return the page, Markdown, of the registered methods."""
    absent = {name: why for name, why in LEFT_OUT.items() if not any(one.startswith(name) for one in methods)}
    return PAGE.format(
        methods=markdown_table(_TITLES, (_cells(one) for one in methods.values())),
        notes="\n".join(note for one in methods.values() if (note := _note(one))),
        left_out="\n".join(f"- {name}: {why}." for name, why in absent.items()),
    )


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        f"`{entry.name}`",
        entry.summary,
        ", ".join(f"{n}D" for n in entry.dims),
        entry.supervision,
        entry.settings or "–",
        f"`{entry.environment}`" if entry.environment else "package",
        entry.licence,
        _weights(entry),
    )


def _weights(entry: Entry) -> str:
    if entry.checkpoint:
        return f"`{entry.checkpoint}`"
    if entry.learned:
        return "trained first"
    return "in the package" if entry.shipped else "none"


def _note(entry: Entry) -> str:
    """One line on what the table has no room for, or an empty text."""
    parts = [
        entry.trained_on != "nothing" and f"Trained on {entry.trained_on}.",
        entry.seen and f"Seen in training: {', '.join(entry.seen)}.",
        entry.caveats and f"{entry.caveats[0].upper()}{entry.caveats[1:]}.",
        entry.citation and f"{entry.citation}.",
    ]
    return f"- `{entry.name}`: {' '.join(part for part in parts if part)}" if any(parts) else ""
