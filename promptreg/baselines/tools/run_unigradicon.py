"""Run by the Python of the environment `unigradicon`: the network's map as a field on the fixed image."""

import json
import sys
from pathlib import Path

import itk
import torch
import unigradicon
from icon_registration.itk_wrapper import register_pair

job = json.loads(Path(sys.argv[1]).read_text())
itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(job["threads"])
torch.set_num_threads(job["threads"])
torch.manual_seed(job["seed"])
net = unigradicon.make_network(
    unigradicon.input_shape, include_last_step=True, loss_fn=unigradicon.make_sim("lncc")
)
net.regis_net.load_state_dict(torch.load(job["weights"], map_location="cpu", weights_only=True))
net.eval()
fixed, moving = (
    unigradicon.preprocess(itk.imread(job[name], itk.F), kind)
    for name, kind in (("fixed", job["fixed_kind"]), ("moving", job["moving_kind"]))
)
found, _ = register_pair(net, moving, fixed, finetune_steps=job["steps"])
field = itk.transform_to_displacement_field_filter(found, reference_image=fixed, use_reference_image=True)
itk.imwrite(field, job["field"])
