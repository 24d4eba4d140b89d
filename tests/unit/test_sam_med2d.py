import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layout_reference import answers, stretched
from pictures import as_image, picture
from segment_anything import sam_model_registry
from small_models.sam_layout_models import SIDE, drawn, planar_sam_med2d, small_sam_med2d
from small_sam import small_sam

from promptreg import checkpoints
from promptreg.models import sam_med2d
from promptreg.models.sam_med2d import Adapter, SamMed2D, adapted, nearest_square
from promptreg.models.sam_parts import sam_about, vit_b_encoder

ADAPTER = {
    "norm.weight": (768,),
    "norm.bias": (768,),
    "channel.0.weight": (192, 768),
    "channel.2.weight": (768, 192),
    "spatial.0.weight": (768, 768, 3, 3),
    "spatial.2.weight": (768, 768, 4, 4),
}
"""Name and shape of every tensor of a published adapter."""


def layout(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return sam_about(adapted(vit_b_encoder(sam_med2d.SIDE)))


def test_the_tensors_are_those_of_sam_at_256_pixels_and_of_an_adapter_in_each_block(full):
    with torch.device("meta"):
        plain = layout(sam_model_registry["vit_b"]())
    plain["image_encoder.pos_embed"] = (1, 16, 16, 768)
    for block in (2, 5, 8, 11):
        for axis in "hw":
            plain[f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"] = (31, 64)
    adapters = {
        f"image_encoder.blocks.{block}.Adapter.{name}": shape
        for block in range(12)
        for name, shape in ADAPTER.items()
    }
    assert layout(full) == plain | adapters


def test_the_model_has_the_published_number_of_parameters(full):
    with torch.device("meta"):
        assert sum(p.numel() for p in Adapter(768).parameters()) == 15_042_048
    assert sum(p.numel() for p in full.parameters()) == 271_241_776


def test_an_adapter_that_is_normalized_to_zero_leaves_the_encoder_of_sam():
    plain, sam = small_sam(side=SIDE), small_sam(side=SIDE)
    for block in adapted(sam.image_encoder).blocks:
        torch.nn.init.zeros_(block.Adapter.norm.weight)
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(sam.image_encoder(images), plain.image_encoder(images))


def test_an_adapter_weighs_channels_by_their_means_and_adds_a_coarse_branch():
    adapter = drawn(Adapter(8))
    state = adapter.state_dict()
    cells = torch.randn(2, 6, 4, 8, generator=torch.Generator().manual_seed(0))
    hidden = F.relu(torch.einsum("hc,nc->nh", state["channel.0.weight"], cells.mean((1, 2))))
    weight = torch.einsum("ch,nh->nc", state["channel.2.weight"], hidden).sigmoid()
    weighed = cells.permute(0, 3, 1, 2) * weight[:, :, None, None]
    coarse = F.relu(F.conv2d(weighed, state["spatial.0.weight"], stride=2, padding=1))
    fine = F.relu(F.conv_transpose2d(coarse, state["spatial.2.weight"], stride=2, padding=1))
    total = cells + fine.permute(0, 2, 3, 1)
    centred = total - total.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    expected = normed * state["norm.weight"] + state["norm.bias"]
    torch.testing.assert_close(adapter(cells), expected, atol=1e-5, rtol=1e-4)


def golden(pixels, side):
    """The published input (3, side, side) of 8-bit colours (Y, X, 3): normalized, then pixels picked."""
    normalized = (pixels - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    rows, columns = (np.floor(np.arange(side) * n / side).astype(int) for n in pixels.shape[:2])
    return torch.from_numpy(normalized[rows[:, None], columns]).permute(2, 0, 1).float()


@pytest.mark.parametrize("shape", [(72, 100), (300, 90), (128, 128), (40, 333)])
def test_the_input_is_the_published_one(shape):
    pixels = picture(shape)
    found = nearest_square(as_image(pixels).data[None], (SIDE, SIDE))[0]
    torch.testing.assert_close(found, golden(pixels, SIDE), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(72, 100), (300, 90), (128, 128)])
def test_three_masks_and_their_scores_are_those_of_the_packages_own_modules(shape):
    model, pixels = planar_sam_med2d(), picture(shape)
    points, labels = torch.tensor([[0.2, 0.8], [0.7, 0.3]]) * torch.tensor(shape), [1, 0]
    embedding = model.embed(as_image(pixels))
    for n in (1, 2):
        found = model.decode(embedding, points[None, :n], torch.tensor([labels[:n]]))
        in_input = stretched(points[:n], shape, SIDE)
        features, logits, scores = answers(
            small_sam_med2d(), golden(pixels, SIDE), in_input, labels[:n], multimask=True
        )
        torch.testing.assert_close(embedding.features, features, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.scores, scores, atol=1e-4, rtol=1e-4)


def test_a_file_without_adapters_is_refused(monkeypatch):
    monkeypatch.setattr(sam_med2d, "vit_b_encoder", lambda side: small_sam(side=SIDE).image_encoder)
    monkeypatch.setattr(sam_med2d, "sam_about", lambda encoder: small_sam_med2d())
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: small_sam(side=SIDE).state_dict())
    with pytest.raises(ValueError, match=r"12 missing: image_encoder\.blocks\.0\.Adapter"):
        SamMed2D()


def test_the_weights_are_read_from_their_place_in_a_published_file(monkeypatch, tmp_path):
    state = {key: value + 1 for key, value in small_sam_med2d().state_dict().items()}
    torch.save({"model": state, "optimizer": {"state": {}}}, tmp_path / "sam-med2d_b.pth")
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    monkeypatch.setattr(sam_med2d, "vit_b_encoder", lambda side: small_sam(side=SIDE).image_encoder)
    monkeypatch.setattr(sam_med2d, "sam_about", lambda encoder: small_sam_med2d())
    planar = SamMed2D().planar
    assert planar.name == "sam_med2d"
    assert all(torch.equal(value, state[key]) for key, value in planar.sam.state_dict().items())
