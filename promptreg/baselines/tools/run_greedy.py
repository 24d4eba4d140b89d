"""Run by the Python of the environment `greedy`: affine, deformable flow, and both as one field."""

import json
import math
import sys
from pathlib import Path

import SimpleITK as sitk
from picsl_greedy import Greedy2D, Greedy3D

job = json.loads(Path(sys.argv[1]).read_text())
sizes = [sitk.ReadImage(job[name]).GetSize() for name in ("fixed", "moving")]
ndim = len(sizes[0])
greedy = Greedy3D() if ndim == 3 else Greedy2D()
images, measure = f"-i {job['fixed']} {job['moving']}", "-m NCC " + "x".join(["2"] * ndim)
# Each level halves the images, whose smoothing needs four cells along every axis.
levels = 1 + max(0, min(2, int(math.log2(min(map(min, sizes)) / 4))))
common = f"{measure} -n {'x'.join(['100', '50', '10'][:levels])} -threads {job['threads']}"
greedy.execute(f"{images} -a -dof 12 -ia-identity -o affine.mat {common}")
greedy.execute(f"{images} -it affine.mat -s 1.732vox 0.707vox -o warp.nii.gz {common}")
moved = f"-ri LINEAR -rm {job['moving']} {job['moved']}"
greedy.execute(f"-rf {job['fixed']} {moved} -rc {job['field']} -r warp.nii.gz affine.mat")
