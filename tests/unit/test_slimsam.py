import pytest
import torch

from promptreg import checkpoints, registry
from promptreg.models.slimsam import WIDTHS, SamNet, SlimSam77, build

PUBLISHED_M = {"slimsam_50": 28.0, "slimsam_77": 9.7}


@pytest.fixture(scope="module", params=WIDTHS)
def size(request):
    """The name of a size and its model without memory for tensors."""
    with torch.device("meta"):
        return request.param, build(request.param)


def test_sizes_are_those_registered(size):
    name, module = size
    count = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    assert count == pytest.approx(PUBLISHED_M[name], abs=0.05)
    assert count == pytest.approx(registry.MODELS[name].parameters_m, abs=0.05)


def test_embeddings_have_the_shape_of_those_of_the_unpruned_model(size):
    _, module = size
    with torch.device("meta"):
        encoded = SamNet(module).encode(torch.empty(1, 3, 1024, 1024))
    assert encoded.features.shape == (1, 256, 64, 64)
    assert not encoded.extras


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"promptreg .*fetch slimsam_77"):
        SlimSam77()
