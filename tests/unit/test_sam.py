import numpy as np
import pytest
import torch
from pictures import as_image, picture
from segment_anything import SamPredictor
from small_sam import small_sam

from promptreg.geometry import cell_indices, default_affine, index_to_world, resized, world_to_index
from promptreg.models.sam import SamVitB, SegmentAnything
from promptreg.types import Grid, Image

SHAPES = {
    "square, as it is": (128, 128),
    "landscape, as it is": (72, 128),
    "portrait, as it is": (128, 89),
    "square, enlarged": (50, 50),
    "landscape, reduced": (150, 301),
    "portrait, reduced": (333, 201),
}


@pytest.fixture(scope="module")
def sam():
    return small_sam()


@pytest.mark.parametrize("case", SHAPES)
def test_features_masks_and_scores_are_those_of_the_packages_own_predictor(sam, case):
    shape = SHAPES[case]
    # Where Pillow's fixed-point weights tie, a few pixels of a reduced image differ by one of 255 levels.
    tolerance = 5e-3 if "reduced" in case else 1e-4
    pixels, model, predictor = picture(shape), SegmentAnything(sam), SamPredictor(sam)
    predictor.set_image(pixels)
    embedding = model.embed(as_image(pixels))
    height, width = embedding.features.shape[1:]
    expected = predictor.get_image_embedding()[0, :, :height, :width]
    torch.testing.assert_close(embedding.features, expected, atol=tolerance, rtol=tolerance)

    clicks = torch.tensor([[0.3, 0.7], [0.8, 0.15]]) * torch.tensor(shape)
    for points, labels in ((clicks[:1], [1]), (clicks, [1, 0])):
        found = model.decode(embedding, points[None], torch.tensor([labels]))
        in_input = (points.flip(-1) + 0.5) * (torch.tensor(predictor.input_size) / torch.tensor(shape)).flip(
            -1
        ) - 0.5
        _, scores, logits = predictor.predict_torch(
            in_input[None], torch.tensor([labels]), multimask_output=len(labels) == 1
        )
        height, width = embedding.mask_grid.shape
        torch.testing.assert_close(found.logits, logits[..., :height, :width], atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(found.scores, scores, atol=tolerance, rtol=tolerance)


def test_an_unresized_image_takes_the_predictors_coordinates_unchanged(sam):
    pixels, predictor = picture((72, 128)), SamPredictor(sam)
    predictor.set_image(pixels)
    _, scores, _ = predictor.predict(np.array([[90, 20]]), np.array([1]))
    model = SegmentAnything(sam)
    found = model.decode(
        model.embed(as_image(pixels)), torch.tensor([[[20.0, 90.0]]]), torch.ones(1, 1, dtype=int)
    )
    np.testing.assert_allclose(found.scores[0], scores, atol=1e-4)


def test_feature_and_mask_cells_share_the_outline_of_the_image_up_to_one_cell(sam):
    model = SegmentAnything(sam)
    for shape in SHAPES.values():
        embedding = model.embed(as_image(picture(shape)))
        cell = 16 * max(shape) / 128
        for grid in (embedding.feature_grid, embedding.mask_grid):
            corners = torch.tensor([[-0.5, -0.5], [n - 0.5 for n in grid.shape]])
            low, high = world_to_index(embedding.image_grid, index_to_world(grid, corners))
            torch.testing.assert_close(low, torch.tensor([-0.5, -0.5]), atol=1e-4, rtol=0)
            excess = high - (torch.tensor(shape) - 0.5)
            assert (excess > -0.5).all()
            assert (excess < cell).all()
        np.testing.assert_allclose(
            resized(embedding.mask_grid, embedding.feature_grid.shape).affine, embedding.feature_grid.affine
        )


def test_a_bright_square_changes_the_features_where_it_lies_in_the_world(sam):
    model = SegmentAnything(sam)
    affine = np.array([[0.0, 2.0, 5.0], [-3.0, 0.0, -7.0], [0.0, 0.0, 1.0]])
    grid = Grid((60, 120), affine)
    data = torch.full((1, 60, 120), 10.0)
    data[0, 5, 100] = 20.0
    data[0, 3:11, 92:108] = 30.0
    base = torch.full((1, 60, 120), 10.0)
    base[0, 50, 10] = data[0, 50, 10] = 30.0
    change = (model.embed(Image(data, grid)).features - model.embed(Image(base, grid)).features).norm(dim=0)
    embedding = model.embed(Image(data, grid))
    world = index_to_world(embedding.feature_grid, cell_indices(change.shape).reshape(-1, 2)[change.argmax()])
    row, column = world_to_index(grid, world).tolist()
    assert abs(row - 6.5) < 8
    assert abs(column - 99.5) < 8


def test_prompts_decoded_together_are_those_decoded_one_by_one(sam):
    model = SegmentAnything(sam)
    embedding = model.embed(as_image(picture((72, 128))))
    points = torch.rand(21, 1, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([71.0, 127.0])
    labels = torch.ones(21, 1, dtype=torch.long)
    together = model.decode(embedding, points, labels)
    alone = [model.decode(embedding, points[i : i + 1], labels[:1]).logits for i in range(21)]
    torch.testing.assert_close(together.logits, torch.cat(alone), atol=1e-4, rtol=0)


def test_padding_is_left_out_wherever_it_stands(sam):
    model = SegmentAnything(sam)
    embedding = model.embed(as_image(picture((72, 128))))
    points = torch.tensor([[[5.0, 6.0], [20.0, 30.0], [0.0, 0.0], [60.0, 90.0]]])
    padded = model.decode(embedding, points, torch.tensor([[-1, 1, -1, 0]]))
    plain = model.decode(embedding, points[:, [1, 3]], torch.tensor([[1, 0]]))
    assert torch.equal(padded.logits, plain.logits)


def test_in_a_mixed_batch_each_prompt_has_the_masks_that_it_has_alone(sam):
    model = SegmentAnything(sam)
    embedding = model.embed(as_image(picture((128, 128))))
    points = torch.tensor([[[20.0, 30.0], [0.0, 0.0]], [[20.0, 30.0], [90.0, 70.0]]])
    mixed = model.decode(embedding, points, torch.tensor([[1, -1], [1, 0]]))
    click = model.decode(embedding, points[:1, :1], torch.tensor([[1]]))
    several = model.decode(embedding, points[1:], torch.tensor([[1, 0]]))
    assert several.logits.shape[1] == 1
    torch.testing.assert_close(mixed.logits[1:], several.logits.expand(-1, 3, -1, -1), atol=1e-4, rtol=0)
    assert mixed.logits.shape[1] == click.logits.shape[1] == 3


def test_derivatives_of_the_logits_agree_forward_backward_and_with_differences():
    sam = small_sam()
    dense = sam.prompt_encoder.get_dense_pe().double()
    sam.double().prompt_encoder.get_dense_pe = lambda: dense
    model = SegmentAnything(sam)
    embedding = model.embed(as_image(picture((72, 128))))
    features = embedding.features.double()
    labels = torch.tensor([[1, 0]])

    def summary(points):
        tokens = model._point_tokens(points, labels)
        logits, _ = model._masks(torch.nn.functional.pad(features, (0, 0, 0, 8 - features.shape[1])), tokens)
        return logits[:, 0].tanh().mean((-2, -1))

    points = torch.tensor([[[20.0, 30.0], [60.0, 90.0]]], dtype=torch.float64)
    tangent = torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    forward = torch.func.jvp(summary, (points,), (tangent,))[1]
    leaf = points.clone().requires_grad_()
    summary(leaf).sum().backward()
    step = 1e-4
    difference = (summary(points + step * tangent) - summary(points - step * tangent)) / (2 * step)
    torch.testing.assert_close(forward, difference, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close((leaf.grad * tangent).sum(), difference.sum(), rtol=1e-6, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in sam.parameters())


def test_decode_carries_a_forward_derivative_of_every_coordinate(sam):
    model = SegmentAnything(sam)
    embedding = model.embed(as_image(picture((72, 128))))
    points, labels = torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1, dtype=torch.long)
    for tangent in torch.eye(2):
        _, slope = torch.func.jvp(
            lambda p: model.decode(embedding, p, labels).logits, (points,), (tangent[None, None],)
        )
        ahead, behind = (model.decode(embedding, points + s * tangent, labels).logits for s in (0.5, -0.5))
        torch.testing.assert_close(slope, ahead - behind, atol=0.05 * slope.abs().max().item(), rtol=0.05)


def test_a_volume_is_refused_by_the_planar_model_with_its_name(sam):
    volume = Image(torch.zeros(1, 3, 8, 8), Grid((3, 8, 8), default_affine(3)), "thorax")
    with pytest.raises(ValueError, match="thorax"):
        SegmentAnything(sam).embed(volume)


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="promptreg weights fetch sam_vit_b"):
        SamVitB()


def test_a_state_dict_with_other_keys_is_refused(monkeypatch):
    from promptreg import checkpoints

    monkeypatch.setattr(
        checkpoints, "load_state_dict", lambda name: {"image_encoder.pos_embed": torch.zeros(1)}
    )
    with pytest.raises(ValueError, match=r"sam_vit_b.* missing: "):
        SegmentAnything.from_checkpoint("sam_vit_b")
