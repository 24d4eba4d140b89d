from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from small_models.transformers_models import SIDE, planar, small_sam2, small_sam_hq, small_slimsam
from torch.nn.functional import pad

from promptreg.geometry import default_affine, index_to_world, world_to_index
from promptreg.models.slicewise import Slicewise
from promptreg.models.two_way import point_tokens
from promptreg.types import Grid, Image

KINDS = ("sam2", "sam_hq", "slimsam")
SHAPES = ((128, 128), (72, 128), (50, 50), (150, 301), (333, 201))


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return planar(request.param)


def picture(shape, *, seed=0):
    """Smooth random 8-bit colours as an image in pixels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 9, 9, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 255).round()
    return Image(smooth[0], Grid(shape, default_affine(2), "px"), "picture")


def in_input(model, points, shape):
    """Points (B, P, 2) y, x of an image as x, y in pixels of the encoder's input."""
    inputs = model.inputs.grid(Grid(shape, default_affine(2)), SIDE).shape
    scale = torch.tensor(inputs) / torch.tensor(shape)
    return ((points + 0.5) * scale - 0.5).flip(-1)


def original(kind):
    """The package's small model as it is, before a net changes its encoder's attention."""
    make = {"sam2": small_sam2, "sam_hq": small_sam_hq, "slimsam": small_slimsam}[kind]
    module = make.__wrapped__()
    module.mask_decoder.dynamic_multimask_via_stability = False
    return module


@contextmanager
def corrected(module):
    """Feed the masks of `SamHQModel.forward` from the cells after attention, as its authors do.

    The package's own forward drops them and feeds the transposed cells from before.
    """
    decoder, kept = module.mask_decoder, []
    hooks = (
        decoder.transformer.register_forward_hook(lambda *args: kept.append(args[-1][1])),
        decoder.upscale_conv1.register_forward_pre_hook(
            lambda _, args: kept.pop().flatten(0, 1).mT.unflatten(2, args[0].shape[2:])
        ),
    )
    yield
    for hook in hooks:
        hook.remove()


def packages_own(model, image, points, labels, *, multimask):
    """Logits (B, M, Y, X) and IoUs (B, M) of the package's own forward."""
    module = original(model.name)
    correction = corrected(module) if model.name == "sam_hq" else nullcontext()
    with torch.no_grad(), correction:
        out = module(
            pixel_values=model.pixels(image.data[None], image.grid),
            input_points=in_input(model, points, image.grid.shape)[None],
            input_labels=labels[None],
            multimask_output=multimask,
        )
    return out.pred_masks[0], out.iou_scores[0]


@pytest.mark.parametrize("shape", [(72, 128), (150, 301), (333, 201)])
def test_masks_and_scores_are_those_of_the_packages_own_forward(model, shape):
    image = picture(shape)
    embedding = model.embed(image)
    height, width = embedding.mask_grid.shape
    clicks = torch.tensor([[[0.3, 0.7], [0.8, 0.15]], [[0.1, 0.9], [0.5, 0.5]]]) * torch.tensor(shape)
    for n_points, labels in ((1, [[1], [1]]), (2, [[1, 0], [1, 1]])):
        points, kinds = clicks[:, :n_points], torch.tensor(labels)
        found = model.decode(embedding, points, kinds)
        logits, scores = packages_own(model, image, points, kinds, multimask=n_points == 1)
        order = torch.arange(logits.shape[1]).expand(2, -1)
        if model.name == "sam_hq" and n_points == 1:
            order = found.scores.argsort(dim=1, descending=True)
        rows = torch.arange(2)[:, None]
        torch.testing.assert_close(
            found.logits[rows, order], logits[..., :height, :width], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(found.scores[rows, order], scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["sam_hq", "slimsam"])
def test_pixels_are_those_of_the_packages_processor_up_to_ties_of_rounding(kind, shape):
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    image, model = picture(shape), planar(kind)
    size = {"height": SIDE, "width": SIDE}
    processor = SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size=size)
    array = image.data.permute(1, 2, 0).to(torch.uint8).numpy()
    expected = processor(images=array, return_tensors="pt")["pixel_values"]
    error = (model.pixels(image.data[None], image.grid) - expected).abs()
    level = 1 / 255 / 0.224
    assert error.max() < 1.05 * level
    assert (error > 1e-4).float().mean() < 2e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_of_sam2_are_stretched_as_pillow_does_it_without_rounding(shape):
    image = picture(shape)
    channels = [
        np.asarray(Picture.fromarray(one.numpy(), mode="F").resize((SIDE, SIDE), Picture.Resampling.BILINEAR))
        for one in image.data
    ]
    expected = torch.from_numpy(np.stack(channels)) / 255
    expected = (expected - torch.tensor([[[0.485]], [[0.456]], [[0.406]]])) / torch.tensor(
        [[[0.229]], [[0.224]], [[0.225]]]
    )
    found = planar("sam2").pixels(image.data[None], image.grid)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_grey_pixel_has_golden_values(model):
    image = Image(torch.full((3, 64, 128), 128.0), Grid((64, 128), default_affine(2)), "grey")
    pixels = model.pixels(image.data[None], image.grid)[0]
    golden = torch.tensor([0.0740638, 0.2051822, 0.4264925])
    torch.testing.assert_close(pixels[:, 10, 90], golden, atol=1e-5, rtol=0)
    last = golden if model.name == "sam2" else torch.zeros(3)
    torch.testing.assert_close(pixels[:, 100, 90], last, atol=1e-5, rtol=0)


def test_grids_of_features_and_masks_cover_the_image_up_to_one_cell(model):
    for shape in SHAPES:
        embedding = model.embed(picture(shape))
        for grid in (embedding.feature_grid, embedding.mask_grid):
            corners = torch.tensor([[-0.5, -0.5], [n - 0.5 for n in grid.shape]])
            low, high = world_to_index(embedding.image_grid, index_to_world(grid, corners))
            torch.testing.assert_close(low, torch.tensor([-0.5, -0.5]), atol=1e-4, rtol=0)
            excess = high - (torch.tensor(shape) - 0.5)
            assert (excess > -0.5).all()
            assert (excess < 16 * max(shape) / SIDE).all()


def test_sam2_covers_an_oblong_image_exactly_with_all_of_its_cells():
    embedding = planar("sam2").embed(picture((150, 301)))
    assert embedding.feature_grid.shape == (8, 8)
    assert embedding.mask_grid.shape == (32, 32)
    np.testing.assert_allclose(embedding.feature_grid.extent, embedding.image_grid.extent)
    assert {name: tuple(part.shape) for name, part in embedding.extras.items()} == {
        "stride_4": (4, 32, 32),
        "stride_8": (8, 16, 16),
    }


def test_points_return_from_the_encoders_square_on_an_oblique_anisotropic_image(model):
    affine = np.array([[0.2, 1.9, -30.0], [-3.1, 0.3, 80.0], [0.0, 0.0, 1.0]])
    grid = Grid((90, 41), affine)
    points = torch.tensor([[[3.0, 40.0], [88.5, 0.25]]], dtype=torch.float64)
    unit = model._unit_points(points, grid)
    square = (unit * SIDE - 0.5).flip(-1)
    world = index_to_world(model.inputs.grid(grid, SIDE), square)
    torch.testing.assert_close(world_to_index(grid, world), points, atol=1e-9, rtol=0)


def test_prompts_of_several_chunks_and_lengths_are_those_decoded_one_by_one(model):
    embedding = model.embed(picture((72, 128)))
    points = torch.rand(19, 2, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([71.0, 127.0])
    labels = torch.tensor([[1, 0], [1, -1], [-1, 1]] * 6 + [[1, 1]])
    together = model.decode(embedding, points, labels)
    for i in range(19):
        real = labels[i] != -1
        alone = model.decode(embedding, points[i : i + 1, real], labels[i : i + 1, real])
        expected = alone.logits.expand(-1, 3, -1, -1)
        torch.testing.assert_close(together.logits[i : i + 1], expected, atol=1e-3, rtol=1e-4)


def test_the_encoder_is_not_asked_again_for_prompts(model, monkeypatch):
    embedding = model.embed(picture((72, 128)))
    monkeypatch.setattr(model.net, "encode", None)
    points = torch.full((20, 1, 2), 30.0)
    assert len(model.decode(embedding, points, torch.ones(20, 1, dtype=torch.long)).logits) == 20


def test_a_negative_point_changes_the_masks(model):
    embedding = model.embed(picture((72, 128)))
    points = torch.tensor([[[20.0, 30.0], [60.0, 90.0]]])
    positive, negative = (model.decode(embedding, points, torch.tensor([[1, k]])).logits for k in (1, 0))
    assert (positive - negative).abs().max() > 0.1


def test_derivatives_of_the_logits_agree_forward_backward_and_with_differences(model):
    embedding = model.embed(picture((72, 128)))
    net, n_cells = model.net, 8
    features = pad(embedding.features, (0, 0, 0, n_cells - embedding.features.shape[1])).double()
    encoded = type("One", (), {"features": features, "extras": doubled(embedding.extras)})
    labels = torch.tensor([[1, 0]])

    def summary(points):
        tokens = point_tokens(net.module.prompt_encoder, points, labels)
        logits, scores = net.masks(encoded, tokens)
        return logits.tanh().mean() + scores.mean()

    points = torch.tensor([[[0.2, 0.3], [0.6, 0.9]]], dtype=torch.float64)
    tangent = torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    net.module.double()
    try:
        forward = torch.func.jvp(summary, (points,), (tangent,))[1]
        leaf = points.clone().requires_grad_()
        summary(leaf).backward()
        step = 1e-6
        difference = (summary(points + step * tangent) - summary(points - step * tangent)) / (2 * step)
    finally:
        net.module.float()
    torch.testing.assert_close(forward, difference, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close((leaf.grad * tangent).sum(), forward, rtol=1e-9, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in net.module.parameters())


def doubled(extras):
    return {name: part.double() for name, part in extras.items()}


def test_each_slice_of_a_volume_is_decoded_with_its_own_extras(model):
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(3, 3, 40, 52, generator=generator) * 255
    volume = Image(data, Grid((3, 40, 52), default_affine(3, (5.0, 1.0, 1.0))), "volume")
    found = Slicewise(model).decode(
        Slicewise(model).embed(volume), torch.tensor([[[2.0, 11.0, 30.0]]]), torch.ones(1, 1, dtype=int)
    )
    plane = Image(data[:, 2], Grid((40, 52), default_affine(2)), "slice")
    alone = model.decode(model.embed(plane), torch.tensor([[[11.0, 30.0]]]), torch.ones(1, 1, dtype=int))
    torch.testing.assert_close(found.logits[:, :, 2], alone.logits, atol=1e-4, rtol=1e-4)


def test_a_volume_is_refused_by_the_planar_model_with_its_name(model):
    volume = Image(torch.zeros(1, 3, 8, 8), Grid((3, 8, 8), default_affine(3)), "thorax")
    with pytest.raises(ValueError, match="thorax"):
        model.embed(volume)
