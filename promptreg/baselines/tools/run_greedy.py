"""Run by the Python of the environment `greedy`: affine, deformable flow, and both as one field."""

import json
import sys
from pathlib import Path

import SimpleITK as sitk
from picsl_greedy import Greedy2D, Greedy3D

job = json.loads(Path(sys.argv[1]).read_text())
ndim = sitk.ReadImage(job["fixed"]).GetDimension()
greedy = Greedy3D() if ndim == 3 else Greedy2D()
images, measure = f"-i {job['fixed']} {job['moving']}", "-m NCC " + "x".join(["2"] * ndim)
common = f"{measure} -n 100x50x10 -threads {job['threads']}"
greedy.execute(f"{images} -a -dof 12 -ia-identity -o affine.mat {common}")
greedy.execute(f"{images} -it affine.mat -s 1.732vox 0.707vox -o warp.nii.gz {common}")
greedy.execute(f"-rf {job['fixed']} -rc {job['field']} -r warp.nii.gz affine.mat")
