"""What a registration network makes small: unlikeness of the images, or of one organ, and roughness."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.geometry import cell_indices, sample
from promptreg.nets.registration.keymorph import KeyMorphNet, positions
from promptreg.nets.registration.recipes import Recipe
from promptreg.training.registration_data import Example

NCC_CELLS = 9
MOVED = 0.2
"""Largest entry of the affine change, and shift in halves of the longest side, that keypoints must follow."""

SCALES = (0, 1, 2, 4, 8, 16)
"""Standard deviations, in cells, at which two labels are compared."""


def warped(data: Tensor, field: Tensor) -> Tensor:
    """Pull `data` (C, *shape) through a voxel-form field (ndim, *shape); zero beyond the grid."""
    return sample(data, cell_indices(data.shape[1:], data.device) + field.movedim(0, -1))


def unlikeness(
    recipe: Recipe, field: Tensor, example: Example, generator: torch.Generator, *, every_label: bool = False
) -> Tensor:
    """Return the first term of a recipe's loss for a field (ndim, *shape) on an example.

    Of several labels that both images show, one is drawn, unless all are compared (`every_label`). Raises
    ValueError where one is needed and absent.
    """
    if recipe.similarity == "labels":
        known = example.common_labels()
        if len(known) == 0:
            raise ValueError(f"'{example.name}' has no label that both images show")
        if not every_label:
            known = [known[int(torch.randint(len(known), (), generator=generator))]]
        moving, fixed = (torch.cat(masks) for masks in zip(*map(example.masks, known), strict=True))
        return label_loss(moving, fixed, field)
    moved = warped(example.moving, field)
    if recipe.similarity == "mse":
        return (moved - example.fixed).square().mean()
    return correlation_loss(moved, example.fixed)


def correlation_loss(moved: Tensor, fixed: Tensor) -> Tensor:
    """Return minus the mean squared local correlation of (1, *shape), windows of 9 cells; -1 is best."""
    from monai.losses import LocalNormalizedCrossCorrelationLoss

    loss: Tensor = LocalNormalizedCrossCorrelationLoss(fixed.ndim - 1, kernel_size=NCC_CELLS)(
        moved[None], fixed[None]
    )
    return loss


def label_loss(moving: Tensor, fixed: Tensor, field: Tensor) -> Tensor:
    """Return one minus the Dice of masks (L, *shape), averaged over labels and over scales of smoothing."""
    from monai.losses import DiceLoss, MultiScaleLoss

    loss: Tensor = MultiScaleLoss(DiceLoss(), list(SCALES))(fixed[None], warped(moving, field)[None])
    return loss


def roughness(kind: str, field: Tensor) -> Tensor:
    """Return the roughness of a voxel-form field (ndim, *shape).

    "gradient" averages squared differences of neighbours, "bending" squared second derivatives.
    """
    if kind == "bending":
        from monai.losses import BendingEnergyLoss

        energy: Tensor = BendingEnergyLoss()(field[None])
        return energy
    return torch.stack([field.diff(dim=axis).square().mean() for axis in range(1, field.ndim)]).mean()


def keypoint_loss(net: KeyMorphNet, image: Tensor, generator: torch.Generator) -> Tensor:
    """Return how far the keypoints of an affinely moved image (1, *shape) are from the moved references.

    Mean squared distance in halves of the longest side; the affine is drawn.
    """
    shape, ndim = image.shape[1:], image.ndim - 1
    lot = (2 * torch.rand(ndim, ndim + 1, generator=generator) - 1).to(image.device)
    slope = torch.eye(ndim, device=image.device) + MOVED * lot[:, :ndim]
    shift = MOVED * lot[:, ndim]
    middle = (torch.tensor(shape, device=image.device) - 1) / 2
    pulled = positions(shape, image.device) @ slope.T + shift
    moved = sample(image, pulled * max(shape) / 2 + middle)
    wanted = (net.reference - shift) @ torch.linalg.inv(slope).T
    return (net.keypoints(moved[None])[0] - wanted).square().sum(-1).mean()


def mean_dice(field: Tensor, example: Example) -> float:
    """Return the mean Dice of the labels that both images show, after a field; NaN if there is none."""
    found = []
    for label in example.common_labels():
        moving, fixed = example.masks(label)
        moved, true = warped(moving, field) > 0.5, fixed > 0.5
        found.append(float(2 * (moved & true).sum() / (moved.sum() + true.sum()).clamp_min(1)))
    return sum(found) / len(found) if found else float("nan")
