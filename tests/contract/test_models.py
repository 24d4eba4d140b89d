"""One suite over every promptable model: the registered ones whose weights are here, and some for tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from small_models import small_models
from toy_model import ToyModel

from promptreg import checkpoints, registry
from promptreg.entry import LABEL_SUPERVISED
from promptreg.geometry import index_to_world, resample, visibility, world_to_index
from promptreg.models.base import compile_encoder
from promptreg.models.pocket import WEIGHTS
from promptreg.types import Grid, Image

AFFINES = {
    2: np.array([[0.2, 1.9, -30.0], [-1.1, 0.3, 80.0], [0.0, 0.0, 1.0]]),
    3: np.array(
        [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
    ),
}
SHAPES = {2: (72, 100), 3: (8, 40, 52)}
CENTRES = {2: (14.0, 80.0), 3: (5.0, 9.0, 40.0)}
HALF_SIZES = {2: (7, 9), 3: (1, 5, 6)}


@dataclass(frozen=True)
class Case:
    """A model under test; `segments` is False where masks promise nothing, as with random weights."""

    name: str
    ndim: int
    segments: bool = True

    def __str__(self) -> str:
        return f"{self.name}-{self.ndim}d"


SMALL = small_models()
SEGMENTING = {"small_blend"}
"""Small models whose masks do not come from random weights."""

CONTROLS = {"pocket_features", "dinov2_small", "dinov2_base"}
"""Features without a mask decoder: how well they segment is for a benchmark to say."""

CASES = [
    *(
        Case(entry.name, ndim, entry.name not in CONTROLS)
        for entry in registry.MODELS.values()
        for ndim in entry.dims
    ),
    *(Case(name, ndim) for name in ("toy", "toy_stride_2") for ndim in (2, 3)),
    *(Case(name, ndim, name in SEGMENTING) for name in SMALL for ndim in SMALL[name]().ndim),
]


@cache
def build(name, ndim):
    if name in SMALL:
        return SMALL[name]()
    if name.startswith("toy"):
        return ToyModel(ndim, stride=2 if name.endswith("2") else 1)
    return registry.find("model", name).load()()


@pytest.fixture(params=CASES, ids=str, scope="module")
def case(request):
    name = request.param.name
    checkpoint = registry.MODELS[name].checkpoint if name in registry.MODELS else None
    if checkpoint:
        present, reason = checkpoints.status(checkpoint)
        if not present:
            pytest.skip(reason)
    if name in registry.MODELS and registry.MODELS[name].supervision == LABEL_SUPERVISED:
        pytest.skip("this model is trained on a data set first")
    if name in ("pocket", "blend") and not WEIGHTS.is_file():
        pytest.skip("the package has no weights of pocket")
    return request.param


@pytest.fixture(scope="module")
def model(case):
    return build(case.name, case.ndim)


@pytest.fixture(scope="module")
def scene(case):
    """An image with noise and one bright box in an off-diagonal corner, and the box (*spatial)."""
    return bright_box(case.ndim)


@pytest.fixture(scope="module")
def embedding(model, scene):
    return model.embed(scene[0])


def bright_box(ndim, *, channels=1):
    shape = SHAPES[ndim]
    inside = torch.ones(shape, dtype=torch.bool)
    axes = torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij")
    for axis, centre, half in zip(axes, CENTRES[ndim], HALF_SIZES[ndim], strict=True):
        inside &= (axis - centre).abs() <= half
    noise = torch.randn(channels, *shape, generator=torch.Generator().manual_seed(0))
    return Image(80 + 2 * noise + 90 * inside, Grid(shape, AFFINES[ndim]), "box"), inside


def click(ndim, *extra):
    """One prompt: a positive click on the box, and further points as (fractions of the shape, label)."""
    points = [
        CENTRES[ndim],
        *(tuple(f * (n - 1) for f, n in zip(at, SHAPES[ndim], strict=True)) for at, _ in extra),
    ]
    return torch.tensor([points]), torch.tensor([[1, *(label for _, label in extra)]])


def best_logits(model, embedding, points, labels):
    found = model.decode(embedding, points, labels)
    return found.select(found.best())[0]


def best_mask(model, embedding, points, labels):
    return best_logits(model, embedding, points, labels).sigmoid()


def test_the_registry_states_the_dimensions_that_the_model_takes(case, model):
    assert case.ndim in model.ndim
    if case.name in registry.MODELS:
        assert tuple(model.ndim) == registry.MODELS[case.name].dims
        assert model.name == case.name


def test_features_are_finite_single_precision_on_their_grid(embedding):
    assert embedding.features.dtype == torch.float32
    assert embedding.features.shape[1:] == embedding.feature_grid.shape
    assert embedding.features.isfinite().all()


def test_the_grids_of_an_embedding_cover_the_image(embedding, scene):
    image = scene[0].grid
    assert embedding.image_grid.shape == image.shape
    np.testing.assert_array_equal(embedding.image_grid.affine, image.affine)
    assert visibility(embedding.feature_grid, image).all()
    assert visibility(embedding.mask_grid, image).all()


def test_the_same_image_gives_the_same_embedding_and_masks(case, model, scene, embedding):
    again = model.embed(scene[0])
    assert torch.equal(again.features, embedding.features)
    first, second = (model.decode(one, *click(case.ndim)) for one in (embedding, again))
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.scores, second.scores)


@pytest.mark.parametrize("channels", [2, 3])
def test_an_image_may_have_any_number_of_channels(case, model, embedding, channels):
    several = model.embed(bright_box(case.ndim, channels=channels)[0])
    assert several.features.shape[1:] == embedding.features.shape[1:]
    assert model.decode(several, *click(case.ndim)).logits.isfinite().all()


def test_candidates_are_finite_single_precision_on_the_mask_grid(case, model, embedding):
    found = model.decode(embedding, *click(case.ndim))
    assert found.logits.dtype == found.scores.dtype == torch.float32
    assert found.logits.shape == (1, found.scores.shape[1], *embedding.mask_grid.shape)
    assert found.logits.isfinite().all()
    assert found.scores.isfinite().all()


def test_prompts_decoded_together_are_those_decoded_one_by_one(case, model, embedding):
    upper = torch.tensor(SHAPES[case.ndim]) - 1
    points = torch.rand(5, 2, case.ndim, generator=torch.Generator().manual_seed(0)) * upper
    points[0, 0] = torch.tensor(CENTRES[case.ndim])
    labels = torch.ones(5, 2, dtype=torch.long)
    together = model.decode(embedding, points, labels)
    for i in range(5):
        alone = model.decode(embedding, points[i : i + 1], labels[i : i + 1])
        torch.testing.assert_close(together.logits[i], alone.logits[0], atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(together.scores[i], alone.scores[0], atol=1e-4, rtol=1e-4)


def test_an_empty_prompt_is_an_error(case, model, embedding):
    with pytest.raises(ValueError, match=r"positive|empty"):
        model.decode(embedding, torch.zeros(1, 0, case.ndim), torch.zeros(1, 0, dtype=torch.long))


def test_no_prompts_have_no_masks(case, model, embedding):
    found = model.decode(embedding, torch.zeros(0, 1, case.ndim), torch.zeros(0, 1, dtype=torch.long))
    assert found.logits.shape == (0, found.scores.shape[1], *embedding.mask_grid.shape)


def test_a_prompt_without_a_positive_point_is_an_error(case, model, embedding):
    points, _ = click(case.ndim)
    with pytest.raises(ValueError, match="positive"):
        model.decode(embedding, points, torch.full((1, 1), -1))


def test_a_point_that_is_padding_changes_nothing(case, model, embedding):
    alone = model.decode(embedding, *click(case.ndim))
    padded = model.decode(embedding, *click(case.ndim, ((0.2,) * case.ndim, -1)))
    torch.testing.assert_close(padded.logits, alone.logits, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(padded.scores, alone.scores, atol=1e-4, rtol=1e-4)


def test_a_negative_point_changes_the_masks_or_is_refused(case, model, embedding):
    near = tuple((c + 0.5 * h) / (n - 1) for c, h, n in _corner(case.ndim))
    negative, positive, padding = (click(case.ndim, (near, label)) for label in (0, 1, -1))
    if not model.negative_points:
        with pytest.raises(ValueError, match="negative"):
            model.decode(embedding, *negative)
        return
    logits = best_logits(model, embedding, *negative)
    for other in (positive, padding):
        assert (logits - best_logits(model, embedding, *other)).abs().max() > 0.05


def test_clicks_on_the_very_edge_are_decoded(case, model, embedding):
    upper = torch.tensor(SHAPES[case.ndim], dtype=torch.float32) - 1
    points = torch.stack([torch.zeros(case.ndim), upper])[:, None]
    assert model.decode(embedding, points, torch.ones(2, 1, dtype=torch.long)).logits.isfinite().all()


def test_a_click_on_a_bright_box_in_a_corner_segments_it_in_the_world(case, model, scene, embedding):
    if not case.segments:
        pytest.skip("its masks promise nothing")
    image, inside = scene
    mask = resample(best_mask(model, embedding, *click(case.ndim))[None], embedding.mask_grid, image.grid)[0]
    assert dice(mask, inside) > 0.7


def test_features_change_most_where_the_image_changes(case, model, scene, embedding):
    image, inside = scene
    noise = image.data - 90 * inside
    moved = inside.roll([n // 2 for n in inside.shape], list(range(case.ndim)))
    other = model.embed(Image(noise + 90 * moved, image.grid, "moved box"))
    change = (embedding.features - other.features).norm(dim=0)
    cell = torch.tensor(np.unravel_index(int(change.argmax()), change.shape), dtype=torch.float32)
    where = world_to_index(image.grid, index_to_world(embedding.feature_grid, cell))
    centre = torch.tensor(CENTRES[case.ndim])
    shape = torch.tensor(SHAPES[case.ndim])
    cell_size = torch.from_numpy(embedding.feature_grid.spacing / image.grid.spacing)
    allowed = torch.tensor(HALF_SIZES[case.ndim]) + 2 * cell_size
    near = [((where - at).abs() <= allowed).all() for at in (centre, (centre + shape // 2) % shape)]
    assert any(near)


def test_reordering_the_arrays_axes_leaves_the_mask_in_the_world_where_it_is(case, model, scene, embedding):
    if not case.segments:
        pytest.skip("its masks promise nothing")
    image, _ = scene
    order = [*range(case.ndim)][::-1]
    affine = image.grid.affine[:, [*order, case.ndim]]
    turned = Image(image.data.permute(0, *(1 + a for a in order)), Grid(image.grid.shape[::-1], affine))
    points, labels = click(case.ndim)
    other = model.embed(turned)
    masks = (
        resample(best_mask(model, one, p, labels)[None], one.mask_grid, image.grid)[0]
        for one, p in ((embedding, points), (other, points.flip(-1)))
    )
    assert dice(*masks) > 0.8


def test_what_is_compiled_on_request_is_what_embeds(case, monkeypatch):
    if case.name not in SMALL:
        pytest.skip("the small models stand for all")
    compiled, used = [], []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(module))
    model = SMALL[case.name]()
    assert compile_encoder(model)
    (encoder,) = compiled
    hook = encoder.register_forward_pre_hook(lambda *_: used.append(True))
    model.embed(bright_box(case.ndim)[0])
    hook.remove()
    assert used


def test_derivatives_with_respect_to_a_click_agree_with_differences(case, model, embedding):
    if not model.differentiable:
        pytest.skip("the model states that it has no derivatives")
    points, labels = click(case.ndim)
    points = points + 0.2

    def mass(p):
        return model.decode(embedding, p, labels).logits.sigmoid().sum()

    slopes = [torch.func.jvp(mass, (points,), (e[None, None],))[1] for e in torch.eye(case.ndim)]
    # A long step errs where masks bend, a short one where single precision rounds: one of them must agree.
    differences = [
        torch.stack([(mass(points + h * e) - mass(points - h * e)) / (2 * h) for e in torch.eye(case.ndim)])
        for h in (0.05, 0.01)
    ]
    leaf = points.clone().requires_grad_()
    mass(leaf).backward()
    forward = torch.stack(slopes)
    finite = min(differences, key=lambda one: (one - forward).abs().max().item())
    scale = forward.abs().max().item()
    torch.testing.assert_close(forward, finite, atol=0.05 * scale + 0.05, rtol=0)
    torch.testing.assert_close(leaf.grad[0, 0], forward, atol=1e-3 * scale + 1e-4, rtol=0)


def _corner(ndim):
    return zip(CENTRES[ndim], HALF_SIZES[ndim], SHAPES[ndim], strict=True)


def dice(a, b):
    a, b = a.double(), b.double()
    return (2 * (a * b).sum() / (a.sum() + b.sum())).item()
