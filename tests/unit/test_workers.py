import subprocess
import sys

import torch
from tiny_training import tiny_config

from promptreg.training import loop
from promptreg.training.workers import ALONE, join, leave

CPU = torch.device("cpu")

GRADIENTS = """
import pathlib
import sys
import torch
from promptreg.training.workers import join, leave
workers, device = join(torch.device("cpu"))
parameters = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))]
for number, parameter in enumerate(parameters):
    parameter.grad = torch.full_like(parameter, 10.0 * number + workers.rank)
workers.average_gradients(parameters)
for number, parameter in enumerate(parameters):
    assert torch.equal(parameter.grad, torch.full_like(parameter, 10.0 * number + 0.5))
assert workers.agreed(7.0 + workers.rank, device) == 7.0
# a file each: what two processes print may run together in one line
pathlib.Path(sys.argv[1], f"worker_{workers.rank}_of_{workers.count}").touch()
leave(workers)
"""


def torchrun(*arguments):
    """Run two workers of a script or module on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*launcher, *map(str, arguments)], capture_output=True, text=True, timeout=200)


def test_without_torchrun_a_worker_is_alone(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert join(CPU) == (ALONE, CPU)
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.ones(3)
    ALONE.average_gradients([parameter])
    assert torch.equal(parameter.grad, torch.ones(3))
    assert ALONE.agreed(2.5, CPU) == 2.5
    leave(ALONE)


def test_two_workers_share_the_mean_of_their_gradients_and_the_firsts_clock(tmp_path):
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    result = torchrun(script, tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert {file.name for file in tmp_path.glob("worker_*")} == {"worker_0_of_2", "worker_1_of_2"}


def test_two_workers_train_one_network_on_twice_the_images_and_go_on_from_its_end(tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(tiny_config(steps=4).model_dump_json())
    out = tmp_path / "out"
    options = ["-m", "promptreg.cli", "train", "--config", settings, "--out", out, "--device", "cpu"]
    for result in (torchrun(*options), torchrun(*options, "--resume")):
        assert result.returncode == 0, result.stderr[-2000:]
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    assert (state["step"], state["n_images"]) == (4, 16)
    alone = loop.train(tiny_config(steps=4), tmp_path / "alone", device=CPU)
    stem = state["trained"]["net.encoder.stem.weight"]
    assert not torch.equal(stem, alone.trained.net.encoder.stem.weight)
    assert (stem - alone.trained.net.encoder.stem.weight).abs().max() < 0.05
