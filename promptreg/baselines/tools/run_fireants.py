"""Run by the Python of the environment `fireants`: affine, greedy deformation, and both as one field.

The tool takes no axis of fewer than 32 cells, so thin images are continued by their last slice, and the
field is cut to the fixed image afterwards. Its own export fails in 2D; the field is therefore made from the
positions that it maps the cells to.
"""

import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from fireants.io import BatchedImages, Image
from fireants.registration.affine import AffineRegistration
from fireants.registration.greedy import GreedyRegistration

FEWEST = 32
SCALES = [4, 2, 1]


def continued(image: sitk.Image) -> sitk.Image:
    """Repeat the last slice along each axis of too few cells."""
    missing = [max(0, FEWEST - n) for n in image.GetSize()]
    return sitk.ZeroFluxNeumannPad(image, [0] * len(missing), missing)


def world(images: BatchedImages, positions: torch.Tensor) -> np.ndarray:
    """Turn the tool's coordinates, -1 to 1 from the first to the last cell, into world coordinates."""
    matrix = images.get_torch2phy()[0].cpu().double()
    return (positions.cpu().double() @ matrix[:-1, :-1].T + matrix[:-1, -1]).numpy()


job = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(job["threads"])
torch.manual_seed(job["seed"])
device = "cuda" if torch.cuda.is_available() else "cpu"
given = {name: sitk.ReadImage(job[name], sitk.sitkFloat32) for name in ("fixed", "moving")}
fixed, moving = (BatchedImages([Image(continued(given[name]), device=device)]) for name in given)
measure = {"loss_type": "cc", "cc_kernel_size": 5, "progress_bar": False}
affine = AffineRegistration(SCALES, [200, 100, 50], fixed, moving, optimizer_lr=3e-3, **measure)
affine.optimize()
greedy = GreedyRegistration(
    SCALES, [200, 100, 25], fixed, moving, init_affine=affine.get_affine_matrix().detach(), **measure
)
greedy.optimize()
with torch.no_grad():
    there = greedy.get_warped_coordinates(fixed, moving)[0]
    moved = greedy.evaluate(fixed, moving)[0, 0]
ndim = there.shape[-1]
same = torch.eye(ndim, ndim + 1)[None]
here = torch.nn.functional.affine_grid(same, [1, 1, *there.shape[:-1]], align_corners=True)[0]
vectors = (world(moving, there) - world(fixed, here))[tuple(map(slice, given["fixed"].GetSize()[::-1]))]
field = sitk.GetImageFromArray(vectors.astype(np.float32), isVector=True)
field.CopyInformation(given["fixed"])
sitk.WriteImage(field, job["field"])
warped = moved.cpu().numpy()[tuple(map(slice, given["fixed"].GetSize()[::-1]))]
own = sitk.GetImageFromArray(warped.astype(np.float32))
own.CopyInformation(given["fixed"])
sitk.WriteImage(own, job["moved"])
