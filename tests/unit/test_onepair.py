import numpy as np
import pandas as pd
import PIL.Image
import pytest
import SimpleITK
import torch
from toy_model import ToyModel

import promptreg
from promptreg import onepair, registry
from promptreg.config import Config
from promptreg.geometry import affine_to_ddf, default_affine, write_itk
from promptreg.imageio import read_image, read_labels, read_landmarks, write_image, write_labels, write_points
from promptreg.settings import ConfigError, load
from promptreg.types import Ddf, Grid, Image

SIZE, SHIFT = 48, (4, -3)
RAW = {
    "methods": ["promptreg"],
    "prealign": "none",
    "embed": {"model": "tiny", "views": {"count": 1}, "device": "cpu"},
    "search": {"affine_prior": False, "auxiliary": {"enabled": False}, "prompts": {"count": 4}},
    "marginalize": {"area_ratio": None, "duplicate_iou": None},
    "fit": {
        "device": "cpu",
        "start": "translation",
        "parametrization": "affine",
        "iterations": 5,
        "levels": 2,
    },
    "variants": {"promptreg": {}},
}


class Tiny(ToyModel):
    """The toy model as a registered one: its class takes no arguments."""

    def __init__(self):
        super().__init__(2, radius=5.0)


@pytest.fixture(scope="module")
def tiny():
    """Register the toy model under a name of its own."""
    with pytest.MonkeyPatch.context() as patch:
        entry = registry.Entry("tiny", f"{__name__}:Tiny", "for tests", dims=(2,))
        patch.setitem(registry.MODELS, "tiny", entry)
        patch.setattr(registry.Entry, "load", lambda self: Tiny if self.name == "tiny" else None)
        yield load(RAW)


def scene(n_channels=3):
    data = torch.rand(n_channels, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        for axis in (1, 2):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    low, high = data.amin(), data.amax()
    return (data - low) / (high - low) * 255


def image(data, unit="px", spacing=None):
    return Image(data, Grid(tuple(data.shape[1:]), default_affine(2, spacing), unit), "scene")


@pytest.fixture(scope="module")
def registered(tiny):
    """A scene registered to itself moved by whole pixels."""
    return promptreg.register(image(scene()), image(scene().roll(SHIFT, (1, 2))), config=tiny)


def test_the_shift_of_a_translated_pair_is_recovered(registered):
    inner = registered.ddf.displacement[:, 12:-12, 12:-12].flatten(1)
    expected = torch.tensor([[-SHIFT[1]], [-SHIFT[0]]], dtype=torch.float32)
    assert (inner - expected).norm(dim=0).median() < 0.5
    inside = (slice(None), slice(12, -12), slice(12, -12))
    before = (registered.pair.moving.data - registered.pair.fixed.data)[inside].abs().mean()
    after = (registered.moved.data - registered.pair.fixed.data)[inside].abs().mean()
    assert after < 0.3 * before


def test_registering_files_is_registering_their_images(registered, tiny, tmp_path):
    for name, one in (("m.npy", registered.pair.moving), ("f.npy", registered.pair.fixed)):
        write_image(tmp_path / name, one)
    again = promptreg.register(tmp_path / "m.npy", str(tmp_path / "f.npy"), config=tiny)
    assert torch.equal(again.ddf.displacement, registered.ddf.displacement)


def test_given_prompts_are_the_ones_that_are_searched(tiny):
    pair = image(scene()), image(scene().roll(SHIFT, (1, 2)))
    result = promptreg.register(*pair, prompts=["20,24", "30,18"], config=tiny)
    found = result.registration.correspondences.prompts.points
    assert found.flatten(0, 1).tolist() == [[20.0, 24.0], [30.0, 18.0]]


def test_everything_is_written_under_the_promised_names(registered, tmp_path):
    promptreg.save(registered, tmp_path / "out")
    names = {one.name for one in (tmp_path / "out").iterdir()}
    accepted = [
        number + 1
        for number, reason in enumerate(registered.registration.correspondences.reasons)
        if not reason
    ]
    assert accepted
    rois = {f"roi{number:02d}_{side}.png" for number in accepted for side in ("moving", "fixed")}
    assert names == rois | {
        *("moved.png", "ddf.nii.gz", "disp.nii.gz", "prompts.csv"),
        *("prompts.png", "overlay.png", "methods.png"),
    }


def test_what_is_written_is_what_was_found(registered, tmp_path):
    promptreg.save(registered, tmp_path)
    moved = read_image(tmp_path / "moved.png")
    assert (moved.data - registered.moved.data.clamp(0, 255)).abs().max() < 1.5
    field = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "ddf.nii.gz")))
    np.testing.assert_allclose(np.moveaxis(field, -1, 0), registered.ddf.displacement, atol=1e-4)
    number = registered.registration.correspondences.reasons.index("")
    with PIL.Image.open(tmp_path / f"roi{number + 1:02d}_fixed.png") as picture:
        mask = np.asarray(picture)
    expected = registered.registration.correspondences.rois.fixed[number] > 0.5
    np.testing.assert_array_equal(mask, expected.numpy() * 255)


def test_the_table_of_prompts_has_a_line_for_every_point(registered, tmp_path):
    promptreg.save(registered, tmp_path)
    table = pd.read_csv(tmp_path / "prompts.csv", keep_default_na=False)
    assert list(table) == ["prompt", "image", "point", "role", "x", "y", "accepted", "reason"]
    assert sorted(table["prompt"].unique()) == [1, 2, 3, 4]
    given = table[table["image"] == "moving"][["x", "y"]].to_numpy()
    np.testing.assert_allclose(given, registered.registration.correspondences.prompts.points[:, 0], atol=1e-4)
    assert (table["accepted"].astype(str) == "True").eq(table["reason"] == "").all()


@pytest.mark.parametrize(("unit", "n_channels"), [("mm", 1), ("px", 2)])
def test_an_image_that_no_picture_can_hold_is_written_as_nifti(tiny, tmp_path, unit, n_channels):
    data = scene(n_channels)
    one = promptreg.register(image(data, unit), image(data.roll(SHIFT, (1, 2)), unit), config=tiny)
    promptreg.save(one, tmp_path)
    torch.testing.assert_close(read_image(tmp_path / "moved.nii.gz").data, one.moved.data)
    assert not (tmp_path / "moved.png").exists()
    assert list(tmp_path.glob("roi*_fixed.nii.gz"))


def test_the_model_is_that_of_the_configuration_unless_one_is_named(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(onepair, "register_pair", lambda pair, network, *rest, **more: asked.append(network))
    promptreg.register(image(scene()), image(scene()), config=tiny)
    assert isinstance(asked[0], Tiny)
    with pytest.raises(ValueError, match="unknown model 'tinny': did you mean tiny"):
        promptreg.register(image(scene()), image(scene()), config=tiny, model="tinny")
    assert Config().embed.model == "blend"


def test_the_variant_with_intensities_is_run_unless_another_is_named(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(
        onepair,
        "register_pair",
        lambda pair, network, settings, **more: asked.append(settings.fit.image_terms),
    )
    images = {"fit": {"image_terms": {"ncc": 1}}}
    both = load({**RAW, "variants": {"promptreg": {}, "promptreg_image": images}})
    for config, name in ((both, None), (both, "promptreg"), (tiny, None)):
        promptreg.register(image(scene()), image(scene()), config=config, variant=name)
    assert asked == [{"ncc": 1}, {}, {}]
    with pytest.raises(ValueError, match="unknown variant 'other': the configuration has promptreg"):
        promptreg.register(image(scene()), image(scene()), config=tiny, variant="other")


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        (image(scene(), "mm"), "moving is measured in px and fixed in mm"),
        (
            Image(torch.rand(1, 4, 5, 6), Grid((4, 5, 6), default_affine(3), "px")),
            "moving is 2D and fixed is 3D",
        ),
        ("nowhere.png", r"nowhere\.png"),
    ],
)
def test_images_that_are_no_pair_are_refused_before_anything_runs(tiny, fixed, words):
    with pytest.raises((ValueError, OSError), match=words):
        promptreg.register(image(scene()), fixed, config=tiny)


def test_a_prompt_outside_the_image_and_a_wrong_configuration_are_refused(tiny, tmp_path):
    pair = image(scene()), image(scene())
    with pytest.raises(ValueError, match="200"):
        promptreg.register(*pair, prompts=["200,3"], config=tiny)
    (tmp_path / "c.yaml").write_text("serch: {}\n")
    with pytest.raises(ConfigError, match="did you mean search"):
        promptreg.register(*pair, config=tmp_path / "c.yaml")


AFFINE = np.array([[1.05, 0.1, -3.0], [-0.08, 0.97, 5.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def field(tmp_path):
    """A written field on a grid with spacing."""
    grid = Grid((40, 50), default_affine(2, [2.0, 1.5]))
    write_itk(tmp_path / "ddf.nii.gz", affine_to_ddf(AFFINE, grid))
    return tmp_path / "ddf.nii.gz", grid


def test_points_go_to_the_moving_image_and_back(field, tmp_path):
    path, grid = field
    points = np.array([[20.0, 30.0], [44.5, 61.2], [33.0, 12.0]])
    write_points(tmp_path / "fixed.csv", points, grid)
    onepair.apply(path, tmp_path / "m.csv", points=tmp_path / "fixed.csv", direction="fixed-to-moving")
    expected = points @ AFFINE[:2, :2].T + AFFINE[:2, 2]
    np.testing.assert_allclose(read_landmarks(tmp_path / "m.csv", grid), expected, atol=1e-3)
    onepair.apply(path, tmp_path / "back.csv", points=tmp_path / "m.csv", direction="moving-to-fixed")
    np.testing.assert_allclose(read_landmarks(tmp_path / "back.csv", grid), points, atol=1e-2)


def test_points_of_a_moving_image_with_another_grid_are_counted_on_its_own_pixels(field, tmp_path):
    path, grid = field
    moving = Grid((100, 90), default_affine(2, [0.9, 0.8]))
    write_image(tmp_path / "m.nii.gz", Image(torch.rand(1, 100, 90), moving))
    points = np.array([[20.0, 30.0], [44.5, 61.2]])
    write_points(tmp_path / "fixed.csv", points, grid)
    there, back = {"direction": "fixed-to-moving"}, {"direction": "moving-to-fixed"}
    more = {"moving": tmp_path / "m.nii.gz"}
    onepair.apply(path, tmp_path / "m.csv", points=tmp_path / "fixed.csv", **there, **more)
    expected = points @ AFFINE[:2, :2].T + AFFINE[:2, 2]
    np.testing.assert_allclose(read_landmarks(tmp_path / "m.csv", moving), expected, atol=1e-3)
    onepair.apply(path, tmp_path / "back.csv", points=tmp_path / "m.csv", **back, **more)
    np.testing.assert_allclose(read_landmarks(tmp_path / "back.csv", grid), points, atol=1e-2)


def test_an_image_and_its_labels_are_pulled_onto_the_fixed_grid(tmp_path):
    shift = np.eye(3)
    shift[:2, 2] = (3.0, 2.0)
    grid = Grid((20, 30), default_affine(2), "px")
    write_itk(tmp_path / "ddf.nii.gz", affine_to_ddf(shift, grid))
    labels = np.zeros((20, 30), int)
    labels[5:9, 10:16] = 7
    write_labels(tmp_path / "l.png", labels, grid)
    onepair.apply(tmp_path / "ddf.nii.gz", tmp_path / "new.png", labels=tmp_path / "l.png")
    expected = np.roll(labels, (-2, -3), (0, 1))
    np.testing.assert_array_equal(read_labels(tmp_path / "new.png", grid), expected)
    onepair.apply(tmp_path / "ddf.nii.gz", tmp_path / "image.npy", image=tmp_path / "l.png")
    np.testing.assert_allclose(np.load(tmp_path / "image.npy"), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "exactly one of image, labels and points; found 0"),
        ({"image": "a", "points": "b"}, "exactly one of image, labels and points; found 2"),
        ({"points": "p.csv"}, "points need --direction fixed-to-moving or moving-to-fixed, found ''"),
        ({"points": "p.csv", "direction": "forward"}, "found 'forward'"),
        ({"image": "a.png", "direction": "fixed-to-moving"}, "images and labels only go moving-to-fixed"),
        ({"image": "nowhere.png"}, r"nowhere\.png"),
    ],
)
def test_what_cannot_be_applied_is_refused_and_nothing_written(field, tmp_path, arguments, words):
    with pytest.raises((ValueError, OSError), match=words):
        onepair.apply(field[0], tmp_path / "out.csv", **arguments)
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_is_no_field_is_refused_by_name(tmp_path):
    grid = Grid((5, 6), default_affine(2))
    write_image(tmp_path / "image.nii.gz", Image(torch.rand(1, 5, 6), grid))
    (tmp_path / "text.nii.gz").write_text("no image")
    for name, words in (
        ("nowhere.nii.gz", "no such file"),
        ("image.nii.gz", "not an ITK displacement field.*has 1"),
        ("text.nii.gz", "not an ITK displacement field"),
    ):
        with pytest.raises((ValueError, OSError), match=rf"{name.replace('.', '[.]')}: {words}"):
            onepair.apply(tmp_path / name, tmp_path / "o.png", image=tmp_path / "image.nii.gz")


def test_the_result_carries_the_canonical_field(registered):
    assert isinstance(registered.ddf, Ddf)
    assert registered.ddf.grid.shape == (SIZE, SIZE)
    assert registered.moved.grid is registered.pair.fixed.grid


@pytest.mark.gpu
def test_a_pair_registered_on_an_accelerator_is_saved_like_any_other(tiny, registered, tmp_path):
    raw = {**RAW, "embed": {**RAW["embed"], "device": "cuda"}, "fit": {**RAW["fit"], "device": "cuda"}}
    result = promptreg.register(image(scene()), image(scene().roll(SHIFT, (1, 2))), config=load(raw))
    torch.testing.assert_close(result.ddf.displacement, registered.ddf.displacement, atol=0.2, rtol=0)
    promptreg.save(result, tmp_path)
    assert (tmp_path / "moved.png").is_file()
