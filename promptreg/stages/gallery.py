"""Draw the pictures of one pair: prompts and ROIs, all methods, before and after, uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import xarray as xr
from matplotlib.figure import Figure

from promptreg.correspond import Correspondences
from promptreg.figures.methods import methods_side_by_side
from promptreg.figures.overlays import before_and_after
from promptreg.figures.paradigms import paradigms_side_by_side
from promptreg.figures.prompts_rois import prompts_and_rois
from promptreg.figures.uncertainty import uncertainty_maps
from promptreg.paradigms import (
    carried_regions,
    labelled_regions,
    rows_of,
    searched_regions,
    target_regions,
)
from promptreg.stages.figurefiles import write_figure
from promptreg.stages.inputs import Inputs, NoResult, roi_pairs_from
from promptreg.types import Ddf, Pair, PointPrompts


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the pictures of one pair into the folder `output`, or a text that says why there are none."""
    fields: dict[str, str] = job["fields"]
    apart = {*fields.values(), *job["searched"].values()}
    stores = Inputs([one for one in inputs if one not in apart])
    name, style = job["pair"], job["figures"]
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        pair, record = stores.pair(name), stores.read("pairs", name)
    except NoResult as reason:
        (folder / "not_drawn.txt").write_text(f"{reason}\n")
        return
    drawn = {method: _field(path, name) for method, path in fields.items()}
    labels = {side: _values(record, side) for side in ("moving_labels", "fixed_labels")}
    figures: dict[str, Any] = {
        "methods": methods_side_by_side(pair, drawn, **labels, palette=style["palette"])
    }
    field = drawn.get(job["shown"], "")
    if isinstance(field, Ddf):
        searched = {method: _found(path, name) for method, path in job["searched"].items()}
        found = searched[job["shown"]]
        assert found is not None
        figures["prompts"] = prompts_and_rois(pair, found, palette=style["palette"])
        figures["overlay"] = before_and_after(pair, field)
        figures["uncertainty"] = uncertainty_maps(pair, found)
        beside = {*style["paradigms"], job["shown"]}
        columns = {method: one for method, one in drawn.items() if method in beside}
        figures["paradigms"] = _paradigms(pair, found, columns, searched, labels, style["palette"])
    for title, figure in figures.items():
        write_figure(figure, folder / title, style)


def _paradigms(
    pair: Pair,
    found: Correspondences,
    fields: dict[str, Ddf | str],
    searched: dict[str, Correspondences | None],
    labels: dict[str, Any],
    palette: str,
) -> Figure:
    """The regions of all paradigms for some prompts of the variant that is shown."""
    rows = rows_of(found, pair.moving.grid, labels["moving_labels"])
    target = target_regions(found, rows)
    columns = []
    maps = labels["moving_labels"], labels["fixed_labels"]
    if all(one is not None for one in maps):
        columns.append(labelled_regions("known class: labels", pair, *maps, target))
    for method, field in fields.items():
        own = searched.get(method)
        if own is not None:
            columns.append(searched_regions(f"searched: {method}", own, target))
        else:
            columns.append(
                carried_regions(f"carried by the field of {method}", field, target, pair.fixed.grid)
            )
    return paradigms_side_by_side(pair, target, columns, palette=palette)


def _found(path: str, name: str) -> Correspondences | None:
    """What a variant found, unless it has no result for the pair."""
    try:
        return correspondences_from(Inputs([path]).read("correspondences", name))
    except NoResult:
        return None


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
