import published_mobile_sam as published
import pytest
import torch
from pictures import as_image, picture
from segment_anything import SamPredictor
from small_models.sam_layout_models import CHANNELS, SIDE, TINY, planar_mobile_sam, small_mobile_sam

from promptreg import checkpoints
from promptreg.models import mobile_sam
from promptreg.models.mobile_sam import PUBLISHED, MobileSam, TinyEncoder, to_timm
from promptreg.models.sam_parts import sam_about, vit_b

ENCODER = "image_encoder."


def published_names(layout):
    return {f"{ENCODER}{name}": shape for name, shape in layout.items()}


def published_state(sam):
    """A small model's tensors under their published names."""
    names = published.shapes(**TINY, channels=CHANNELS)
    own = sam.state_dict()
    to_own = {name: to_timm({ENCODER + name: 0}) for name in names}
    state = {ENCODER + name: own[next(iter(found))] for name, found in to_own.items()}
    return state | {name: value for name, value in own.items() if not name.startswith(ENCODER)}


def test_the_published_names_and_shapes_are_those_of_the_model_one_to_one():
    layout = published_names(published.shapes(**PUBLISHED))
    with torch.device("meta"):
        ours = sam_about(TinyEncoder(1024)).state_dict()
        rest = {name: value.shape for name, value in vit_b().state_dict().items() if ENCODER not in name}
    renamed = to_timm(layout | rest)
    assert len(renamed) == len(layout) + len(rest)
    assert {name: tuple(shape) for name, shape in renamed.items()} == {
        name: tuple(value.shape) for name, value in ours.items()
    }


def test_the_model_has_the_published_number_of_parameters():
    with torch.device("meta"):
        sam = sam_about(TinyEncoder(1024))
    head = sam.image_encoder.trunk.head
    used = sum(p.numel() for p in sam.parameters()) - sum(p.numel() for p in head.parameters())
    assert round(used / 1e6, 1) == 9.8
    assert sam.image_encoder.trunk.stages[3].blocks[0].window_size == 7


def test_the_encoder_computes_what_the_published_one_does_with_tensors_of_those_names():
    sam = small_mobile_sam()
    encoder = {
        name.removeprefix(ENCODER): value for name, value in published_state(sam).items() if ENCODER in name
    }
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    sizes = {name: TINY[name] for name in ("num_heads", "depths", "window_sizes")}
    with torch.no_grad():
        expected = published.encode(encoder, images, **sizes)
        found = sam.image_encoder(images)
    assert found.shape == (2, CHANNELS, SIDE // 16, SIDE // 16)
    assert found.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(72, 128), (100, 61)])
def test_masks_and_scores_are_those_of_the_predictor_of_sam_about_this_encoder(shape):
    model, predictor = planar_mobile_sam(), SamPredictor(small_mobile_sam())
    predictor.set_image(picture(shape))
    embedding = model.embed(as_image(picture(shape)))
    clicks = torch.tensor([[0.3, 0.7], [0.8, 0.15]]) * torch.tensor(shape)
    for points, labels in ((clicks[:1], [1]), (clicks, [1, 0])):
        found = model.decode(embedding, points[None], torch.tensor([labels]))
        scale = (torch.tensor(predictor.input_size) / torch.tensor(shape)).flip(-1)
        in_input = (points.flip(-1) + 0.5) * scale - 0.5
        _, scores, logits = predictor.predict_torch(
            in_input[None], torch.tensor([labels]), multimask_output=len(labels) == 1
        )
        height, width = embedding.mask_grid.shape
        torch.testing.assert_close(found.logits, logits[..., :height, :width], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.scores, scores, atol=1e-3, rtol=1e-3)


def small(monkeypatch, state):
    monkeypatch.setattr(mobile_sam, "sam_about", lambda _: small_mobile_sam())
    monkeypatch.setattr(mobile_sam, "TinyEncoder", lambda side: None)
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)


def test_a_published_file_is_loaded_under_its_own_names(monkeypatch):
    state = {name: value + 1 for name, value in published_state(small_mobile_sam()).items()}
    small(monkeypatch, state)
    loaded = MobileSam().planar.sam.state_dict()
    for name, value in to_timm(state).items():
        assert torch.equal(loaded[name], value)


def test_a_file_with_a_key_too_many_or_too_few_is_refused_by_its_name(monkeypatch):
    state = published_state(small_mobile_sam())
    state["image_encoder.layers.4.blocks.0.mlp.fc1.bias"] = state.pop("image_encoder.norm_head.bias")
    small(monkeypatch, state)
    with pytest.raises(ValueError, match=r"head\.norm\.bias.*stages\.4\.blocks"):
        MobileSam()
