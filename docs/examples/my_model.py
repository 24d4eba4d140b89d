"""A whole promptable model: regions of like intensity, grown from clicks. No weights, no derivatives."""

from itertools import pairwise

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import cell_indices
from promptreg.models.base import check_prompts
from promptreg.types import Candidates, Embedding, Image

TOLERANCES = (0.1, 0.2, 0.35, 0.6)
SCALES = (0.0, 0.6, 1.5, 3.0, 6.0)


class Regions:
    """Candidates grow with the tolerance in intensity; the best one hardly grows to the next tolerance."""

    name = "regions"
    ndim = (2, 3)
    differentiable = False
    negative_points = True

    def embed(self, image: Image) -> Embedding:
        """Features are the intensities, blurred more and more; every cell of the image has its own."""
        grey = image.data.mean(0).cpu().numpy()
        low, high = np.percentile(grey, (1, 99))
        unit = ((grey - low) / max(high - low, 1e-6)).clip(0, 1)
        scales = np.stack([ndimage.gaussian_filter(unit, sigma) for sigma in SCALES])
        features = torch.from_numpy(scales).float().to(image.data.device)
        return Embedding(features, image.grid, image.grid, image.grid)

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Points (B, P, ndim) are indices of the image, in array order; padding has the label -1."""
        shape = embedding.image_grid.shape
        check_prompts(points, labels, ndim=len(shape))
        smooth = embedding.features[1].cpu().numpy()
        last = torch.tensor(shape, device=points.device) - 1
        cells = points.round().long().clamp(min=torch.zeros_like(last), max=last).cpu()
        grown = [grow(smooth, *prompt) for prompt in zip(cells, labels.cpu(), strict=True)]
        masks = torch.stack(grown) if grown else torch.zeros(0, len(TOLERANCES), *shape)
        sizes = masks.flatten(2).sum(-1)
        stable = torch.stack([a / b.clamp_min(1) for a, b in pairwise(sizes.unbind(1))], dim=1)
        return Candidates((20 * masks[:, :-1] - 10).to(points.device), stable.to(points.device))


def grow(smooth: np.ndarray, cells: Tensor, labels: Tensor) -> Tensor:
    """Masks (T, *spatial) of one prompt: connected to a positive click, and no nearer to a negative one."""
    masks = np.zeros((len(TOLERANCES), *smooth.shape), dtype=np.float32)
    for cell in map(tuple, cells[labels == 1].tolist()):
        for mask, tolerance in zip(masks, TOLERANCES, strict=True):
            parts, _ = ndimage.label(np.abs(smooth - smooth[cell]) <= tolerance)
            mask[parts == parts[cell]] = 1
    found = torch.from_numpy(masks)
    if (labels == 0).any():
        everywhere = cell_indices(smooth.shape).flatten(0, -2).double()
        near, far = (torch.cdist(everywhere, cells[labels == k].double()).amin(1) for k in (1, 0))
        found *= (near < far).reshape(smooth.shape)
    return found
