"""The promptable model without weights: context features, and masks grown from the clicks."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.geometry import index_to_world, resized, world_to_index
from promptreg.models.click_masks import Pool, click_pool, hand_scored
from promptreg.models.colour_masks import vocabulary
from promptreg.models.context_features import (
    FINE_SCALES,
    Maps,
    blurred,
    context_features,
    gradient,
    image_maps,
    pooled,
    standardized,
)
from promptreg.models.intensities import resized_mask
from promptreg.types import Candidates, Embedding, Grid, Image


class WeightFree:
    """Hand-made features and masks for 2D images and volumes, on any device; nothing is learned or drawn.

    `Embedding.extras` holds `body` on the feature grid and what decoding reads on the mask grid:
    `levels`, `edges`, `words`.
    """

    name = "weightfree"
    ndim = (2, 3)
    differentiable = False
    negative_points = True

    def embed(self, image: Image) -> Embedding:
        """Encode one image of any number of channels; ValueError on values that are not finite."""
        _check_image(image)
        maps = image_maps(image)
        mask_grid = mask_grid_of(maps, image.grid)
        return Embedding(
            features=context_features(maps),
            feature_grid=maps.cells,
            image_grid=image.grid,
            mask_grid=mask_grid,
            extras={"body": maps.body, **mask_maps(maps, mask_grid)},
        )

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts (B, P, ndim) with labels (B, P) into six candidates each; scores in [0, 1].

        Clicks are taken at the nearest cell of the mask grid.
        """
        return hand_scored(self.pool(embedding, points, labels), embedding.mask_grid)

    def pool(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Pool:
        """Return the candidates of B prompts without scores."""
        extras = embedding.extras
        return click_pool(
            extras["levels"].float(),
            extras["edges"].float(),
            extras["words"].long(),
            cells=clicked_cells(embedding, points, labels),
            labels=labels.to(extras["edges"].device),
            grid=embedding.mask_grid,
        )


def clicked_cells(embedding: Embedding, points: Tensor, labels: Tensor) -> Tensor:
    """Return the cells (B, P, ndim) int64 of the mask grid that points in index coordinates click.

    ValueError unless each prompt has a positive point.
    """
    _check_prompts(points, labels, embedding.image_grid.ndim)
    grid, device = embedding.mask_grid, embedding.extras["edges"].device
    world = index_to_world(embedding.image_grid, points.detach().to(device, torch.float64))
    upper = torch.tensor(grid.shape, device=device) - 1
    return world_to_index(grid, world).round().long().clamp_min(0).minimum(upper)


def mask_grid_of(maps: Maps, image_grid: Grid) -> Grid:
    """Masks are twice as fine as features in 2D, where the image is; as fine as features in 3D."""
    if image_grid.ndim == 3:
        return maps.cells
    shape = [min(w, 2 * c) for w, c in zip(maps.working.shape, maps.cells.shape, strict=True)]
    return resized(image_grid, shape)


def mask_maps(maps: Maps, mask_grid: Grid) -> dict[str, Tensor]:
    """What decoding reads, on the mask grid: standardized levels, edge strength, and each cell's word."""
    longest = maps.cells.extent.max()
    fine, smooth = (blurred(maps.luminance[None], maps.working, s * longest) for s in FINE_SCALES)
    variance = blurred(maps.luminance[None] ** 2, maps.working, FINE_SCALES[1] * longest) - smooth**2
    chroma = blurred(maps.chroma, maps.working, FINE_SCALES[0] * longest) if len(maps.chroma) else maps.chroma
    channels = torch.cat([fine, smooth, chroma, variance.clamp_min(0).sqrt()])
    body = resized_mask(maps.body, mask_grid.shape)
    looks = standardized(pooled(channels, mask_grid.shape), body).clamp(-4, 4)
    slopes = gradient(looks[:1], mask_grid).norm(dim=0)[0]
    edges = (slopes - slopes[body].median()).clamp_min(0)
    return {"levels": looks[:-1], "edges": edges, "words": vocabulary(looks, body)}


def _check_image(image: Image) -> None:
    if image.grid.ndim not in WeightFree.ndim or image.data.ndim != image.grid.ndim + 1:
        found = tuple(image.data.shape)
        msg = f"image '{image.name}': expected (C, Y, X) or (C, Z, Y, X) data on its grid, found {found}"
        raise ValueError(msg)
    if not image.data.isfinite().all():
        n_bad = int((~image.data.isfinite()).sum())
        msg = f"image '{image.name}': {n_bad} values are NaN or infinite; replace them before embedding"
        raise ValueError(msg)


def _check_prompts(points: Tensor, labels: Tensor, ndim: int) -> None:
    if points.ndim != 3 or points.shape[2] != ndim or labels.shape != points.shape[:2]:
        found = f"points {tuple(points.shape)} and labels {tuple(labels.shape)}"
        msg = f"expected points (B, P, {ndim}) and labels (B, P), found {found}"
        raise ValueError(msg)
    lacking = (~(labels == 1).any(1)).nonzero().flatten().tolist()
    if points.shape[1] == 0 or lacking:
        msg = f"prompts {lacking}: each prompt needs at least one positive point (label 1)"
        raise ValueError(msg)
