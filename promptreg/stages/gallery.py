"""Draw the pictures of one pair: prompts and ROIs, all methods, before and after, uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import xarray as xr

from promptreg.atomic import replacing
from promptreg.correspond import Correspondences
from promptreg.figures.methods import methods_side_by_side
from promptreg.figures.overlays import before_and_after
from promptreg.figures.prompts_rois import prompts_and_rois
from promptreg.figures.style import encode
from promptreg.figures.uncertainty import uncertainty_maps
from promptreg.stages.inputs import Inputs, NoResult, roi_pairs_from
from promptreg.types import Ddf, PointPrompts


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the pictures of one pair into the folder `output`, or a text that says why there are none."""
    fields: dict[str, str] = job["fields"]
    stores = Inputs([one for one in inputs if one not in fields.values()])
    name, style = job["pair"], job["figures"]
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        pair, record = stores.pair(name), stores.read("pairs", name)
    except NoResult as reason:
        (folder / "not_drawn.txt").write_text(f"{reason}\n")
        return
    drawn = {method: _field(path, name) for method, path in fields.items()}
    figures: dict[str, Any] = {
        "methods": methods_side_by_side(
            pair,
            drawn,
            moving_labels=_values(record, "moving_labels"),
            fixed_labels=_values(record, "fixed_labels"),
            palette=style["palette"],
        )
    }
    field = drawn.get(job["shown"], "")
    if isinstance(field, Ddf):
        found = correspondences_from(stores.read("correspondences", name))
        figures["prompts"] = prompts_and_rois(pair, found, palette=style["palette"])
        figures["overlay"] = before_and_after(pair, field)
        figures["uncertainty"] = uncertainty_maps(pair, found)
    for title, figure in figures.items():
        with replacing(folder / f"{title}.{style['format']}") as path:
            path.write_bytes(encode(figure, style["format"]))


def correspondences_from(record: xr.Dataset) -> Correspondences:
    """Return the correspondences of a stored pair, in float32."""
    return Correspondences(
        roi_pairs_from(record),
        torch.from_numpy(record["moving_variance"].values).float(),
        torch.from_numpy(record["fixed_variance"].values).float(),
        tuple(record.attrs["reasons"]),
        PointPrompts(
            torch.from_numpy(record["prompts"].values), torch.from_numpy(record["prompt_labels"].values)
        ),
        torch.from_numpy(record["points"].values),
        torch.from_numpy(record["labels"].values),
    )


def _field(path: str, name: str) -> Ddf | str:
    try:
        return Inputs([path]).ddf(name)
    except NoResult as reason:
        return str(reason)


def _values(record: xr.Dataset, name: str) -> Any:
    return record[name].values if name in record else None
