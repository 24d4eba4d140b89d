"""Run by the Python of the environment `elastix`: default parameter maps, and the field they end in."""

import json
import sys
from pathlib import Path

import itk

job = json.loads(Path(sys.argv[1]).read_text())
itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(job["threads"])
fixed, moving = (itk.imread(job[name], itk.F) for name in ("fixed", "moving"))
parameters = itk.ParameterObject.New()
for kind in ("translation", "affine", "bspline"):
    chosen = parameters.GetDefaultParameterMap(kind)
    chosen["AutomaticTransformInitialization"] = ("false",)
    chosen["RandomSeed"] = (str(job["seed"]),)
    # Of the moved image alone, not of what is optimized.
    chosen["ResampleInterpolator"] = ("FinalLinearInterpolator",)
    parameters.AddParameterMap(chosen)
moved, found = itk.elastix_registration_method(
    fixed, moving, parameter_object=parameters, log_to_console=False
)
itk.imwrite(itk.transformix_deformation_field(moving, found), job["field"])
itk.imwrite(moved, job["moved"])
