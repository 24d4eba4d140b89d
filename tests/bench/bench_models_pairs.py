"""Correspondence between two labelled images: where the search lands, and what it segments there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from bench_models_cases import Labelled, dice, inside, measuring_grid, random_cells, structure, world_of
from torch import Tensor

from promptreg.affine_prior import AffinePrior
from promptreg.config import Misalign, Search
from promptreg.datasets.known_motion import misalign_image, misalign_labels, misalignment_matrix
from promptreg.geometry import apply_affine, resample
from promptreg.models.base import PromptableModel
from promptreg.prealign import prealign
from promptreg.prototype import cell_weights, prototype, similarity
from promptreg.search import Rois, search_prompts
from promptreg.seeds import derive_seed
from promptreg.starts import gaussian_prior, peaks, start_map
from promptreg.types import Embedding, Grid, PointPrompts

SEARCHES = {
    "same coordinate": Search(start="same", affine_prior=False),
    "no prior": Search(affine_prior=False),
    "default": Search(),
}
Row = tuple[str, int, float]


@dataclass(frozen=True, eq=False)
class Structures:
    """Structures of both images by label value, bool on the measuring grids."""

    values: list[int]
    moving: dict[int, Tensor]
    fixed: dict[int, Tensor]
    moving_grid: Grid
    fixed_grid: Grid


def misaligned(labelled: Labelled, seed: int) -> Labelled:
    """Put an image and its labels under a random similarity drawn from `seed` and the image's name."""
    grid = labelled.image.grid
    matrix = misalignment_matrix(grid, Misalign(), derive_seed(seed, labelled.name, "misalign"))
    return Labelled(
        f"{labelled.name} misaligned",
        misalign_image(labelled.image, matrix),
        misalign_labels(labelled.labels, grid, matrix),
    )


def correspondence_rows(
    model: PromptableModel,
    moving: Labelled,
    fixed: Labelled,
    values: list[int],
    *,
    embeddings: tuple[Embedding, Embedding],
    n_points: int,
    seed: int,
) -> list[Row]:
    """Return (measure, label value, value) of `n_points` prompts in each structure, for every search."""
    both = _shared(moving, fixed, values)
    if not both.values:
        return []
    cells = [
        random_cells(both.moving[value], n_points, derive_seed(seed, moving.name, fixed.name, value))
        for value in both.values
    ]
    points = world_of(torch.cat(cells), both.moving_grid)
    prompts = PointPrompts(points[:, None].float(), torch.ones(len(points), 1, dtype=torch.long))
    owners = [value for value in both.values for _ in range(n_points)]
    start = prealign(moving.image, fixed.image, "mass")
    rows: list[Row] = []
    for name, config in SEARCHES.items():
        begun = time.process_time()
        with torch.no_grad():
            rois = search_prompts(
                model,
                embeddings[:1],
                embeddings[1],
                prompts,
                config=config,
                prealignment=start,
                seed=derive_seed(seed, moving.name, fixed.name),
            )
        seconds = (time.process_time() - begun) / len(owners)
        rows += [(f"searching seconds a prompt, {name}", value, seconds) for value in both.values]
        rows += _found_rows(rois, both, owners, name)
        if rois.prior is not None:
            rows += _ceiling_rows(rois, both, owners)
            rows += prototype_rows(*embeddings, both, points, owners, rois.prior)
    return rows


def _shared(moving: Labelled, fixed: Labelled, values: list[int]) -> Structures:
    masks = [{value: structure(one, value) for value in values} for one in (moving, fixed)]
    present = [value for value in values if masks[0][value].any() and masks[1][value].any()]
    grids = [measuring_grid(one.image.grid) for one in (moving, fixed)]
    return Structures(present, *masks, *grids)


def _found_rows(rois: Rois, both: Structures, owners: list[int], name: str) -> list[Row]:
    """Does the found primary point lie in the same structure, and how well does R^y cover it?"""
    regions = resample(rois.fixed[:, 0], rois.fixed_grid, both.fixed_grid, padding="border") > 0.5
    rows = []
    for point, region, value in zip(rois.points[:, 0, 0], regions, owners, strict=True):
        truth = both.fixed[value]
        rows.append((f"prompt hit, {name}", value, float(inside(point[None], truth, both.fixed_grid))))
        rows.append((f"dice R^y, {name}", value, float(dice(region, truth))))
    return rows


def _ceiling_rows(rois: Rois, both: Structures, owners: list[int]) -> list[Row]:
    """How well does R^x cover the structure that was prompted?"""
    regions = resample(rois.moving[:, 0], rois.moving_grid, both.moving_grid, padding="border") > 0.5
    return [
        ("dice R^x", value, float(dice(region, both.moving[value])))
        for region, value in zip(regions, owners, strict=True)
    ]


def prototype_rows(
    moving: Embedding,
    fixed: Embedding,
    both: Structures,
    points: Tensor,
    owners: list[int],
    prior: AffinePrior,
) -> list[Row]:
    """Does the true region's prototype peak in the same structure, alone and weighed by the affine prior?

    `points` (B, ndim) moving world, of the structures `owners`.
    """
    true = torch.stack([both.moving[value] for value in owners]).float()
    weights = cell_weights(true, both.moving_grid, moving.feature_grid)
    found = similarity(fixed.features, prototype(moving.features, weights))
    maps: Mapping[str, Tensor | None] = {
        "prototype hit": None,
        "prototype hit, prior": _prior_weight(points, fixed, prior),
    }
    rows = []
    for name, weight in maps.items():
        top = peaks(start_map(found, found, "similarity", weight), fixed.feature_grid, 1)[:, 0]
        for point, value in zip(top, owners, strict=True):
            rows.append((name, value, float(inside(point[None], both.fixed[value], both.fixed_grid))))
    return rows


def _prior_weight(points: Tensor, fixed: Embedding, prior: AffinePrior) -> Tensor:
    """Return the Gaussian round the prior's image of each point, (B, *cells)."""
    sigma = Search().prior_sigma * float(fixed.image_grid.extent.max())
    return gaussian_prior(fixed.feature_grid, apply_affine(prior.matrix, points).float(), sigma)
