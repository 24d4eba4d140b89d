import pytest
import torch
from small_models.transformers_models import planar
from test_transformers_sam import picture

from promptreg import checkpoints, registry
from promptreg.models.sam_hq import SIZES, SamHQNet, SamHQVitB, build

PUBLISHED_M = {"sam_hq_vit_b": 94.8, "sam_hq_vit_l": 313.7, "sam_hq_vit_h": 642.7}


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    """The name of a size and its model without memory for tensors."""
    with torch.device("meta"):
        return request.param, build(request.param)


def test_sizes_are_those_registered(size):
    name, module = size
    count = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    assert count == pytest.approx(PUBLISHED_M[name], abs=0.05)
    assert count == pytest.approx(registry.MODELS[name].parameters_m, abs=0.05)


def test_every_fourth_part_of_the_layers_ends_with_one_that_attends_globally(size):
    _, module = size
    layers = module.vision_encoder.layers
    whole = [i for i, layer in enumerate(layers) if layer.window_size == 0]
    assert whole == [len(layers) * k // 4 - 1 for k in (1, 2, 3, 4)]


def test_embeddings_have_the_published_shapes(size):
    _, module = size
    with torch.device("meta"):
        encoded = SamHQNet(module).encode(torch.empty(1, 3, 1024, 1024))
    assert encoded.features.shape == (1, 256, 64, 64)
    assert encoded.extras["fine"].shape == (1, 32, 256, 256)


@pytest.mark.parametrize(
    ("labels", "golden", "iou"),
    [
        ([1], [27.988960, 18.751495, 28.219891], 0.866346),
        ([1, 0], [26.151661, 17.176104, 26.858976], 2.016607),
    ],
)
def test_masks_are_those_of_the_authors_own_code(labels, golden, iou):
    model = planar("sam_hq")
    points = torch.tensor([[[20.0, 90.0], [50.0, 10.0]]])[:, : len(labels)]
    found = model.decode(model.embed(picture((72, 128))), points, torch.tensor([labels]))
    best = found.select(found.best())[0]
    torch.testing.assert_close(best[[5, 12, 17], [22, 3, 30]], torch.tensor(golden), atol=2e-3, rtol=1e-4)
    assert found.scores.max().item() == pytest.approx(iou, abs=1e-4)


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"promptreg .*fetch sam_hq_vit_b"):
        SamHQVitB()
