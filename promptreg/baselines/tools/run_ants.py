"""Run by the Python of the environment `ants`: antsRegistration's SyN, and its maps as one field."""

import json
import os
import shutil
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(job["threads"])
# The argument `random_seed` leaves the sampling of the affine stage to the clock.
os.environ["ANTS_RANDOM_SEED"] = str(job["seed"])

import ants  # noqa: E402

fixed, moving = (ants.image_read(job[name]) for name in ("fixed", "moving"))
found = ants.registration(
    fixed,
    moving,
    type_of_transform="SyN",
    initial_transform="identity",
    outprefix="ants_",
)
composed = ants.apply_transforms(fixed, moving, found["fwdtransforms"], compose="ants_")
shutil.move(composed, job["field"])
ants.image_write(found["warpedmovout"], job["moved"])
