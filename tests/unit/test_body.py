from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from promptreg.body import background_value, body_mask, in_plane_axes
from promptreg.geometry import default_affine
from promptreg.imageio import read_image, read_labels
from promptreg.types import Grid, Image

REAL = Path(__file__).parents[3] / "shared" / "data"


def _image(array: np.ndarray, spacing: tuple[float, ...] | None = None) -> Image:
    """Image of an array (C, *shape)."""
    data = torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)
    return Image(data, Grid(tuple(data.shape[1:]), default_affine(data.ndim - 1, spacing)))


def _disc(shape: tuple[int, ...], radius: float) -> np.ndarray:
    """Disc (or cylinder along the first axis) about the middle."""
    y, x = np.ogrid[[slice(-(n - 1) / 2, n / 2) for n in shape[-2:]]]
    return np.broadcast_to(y**2 + x**2 <= radius**2, shape)


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def _mr(body: np.ndarray) -> np.ndarray:
    """Rician-like noise, a bright rim of fat, dark muscle."""
    rng = _rng()
    signal = np.where(body, 90.0, 0.0)
    signal[..., _disc(body.shape[-2:], 8)] = 600.0
    return np.hypot(signal + rng.normal(0, 8, body.shape), rng.normal(0, 8, body.shape))


def _ct(body: np.ndarray) -> np.ndarray:
    """Hounsfield units: tissue with two lungs in air, padded with -2048 outside a round field of view."""
    hounsfield = np.where(body, 40.0, -1000.0)
    for shift in (-10, 10):
        lung = np.roll(_disc(body.shape, 7), shift, axis=-1)
        hounsfield[lung] = -820.0
    hounsfield += _rng().normal(0, 15, body.shape)
    hounsfield[~_disc(body.shape, 36)] = -2048.0
    return hounsfield


def _histology(body: np.ndarray) -> np.ndarray:
    """Stained tissue on a white slide, (3, Y, X)."""
    stain = np.array([170.0, 90.0, 160.0])[:, None, None] + _rng().normal(0, 20, (3, *body.shape))
    return np.where(body, stain, 243 + _rng().normal(0, 2, (3, *body.shape)))


@pytest.mark.parametrize("make", [_mr, _ct])
@pytest.mark.parametrize("shape", [(64, 64), (6, 64, 64)])
def test_the_body_is_found_in_mr_and_in_ct_with_its_lungs(make, shape):
    body = _disc(shape, 24)
    image = _image(make(body)[None], (5.0, 1.0, 1.0)[-len(shape) :])
    assert _dice(body_mask(image).numpy(), body) > 0.96


def test_tissue_on_a_white_slide_is_the_dark_part():
    body = _disc((64, 64), 20)
    assert _dice(body_mask(_image(_histology(body))).numpy(), body) > 0.96


def test_a_binary_mask_is_its_own_body_with_its_holes_filled():
    disc = _disc((40, 40), 12)
    ring = disc & ~_disc((40, 40), 5)
    assert _dice(body_mask(_image(ring[None])).numpy(), disc) > 0.95


def test_a_tiny_structure_in_an_empty_image_is_found():
    mask = np.zeros((1, 100, 100))
    mask[:, 40:44, 60:64] = 1
    found = body_mask(_image(mask)).numpy()
    assert found[41:43, 61:63].all()
    assert found.sum() < 64


@pytest.mark.parametrize("value", [0.0, -1000.0, 255.0])
def test_a_constant_image_is_all_body(value):
    assert body_mask(_image(np.full((2, 16, 16), value))).all()


def test_noise_and_photographs_that_fill_their_frame_are_all_body():
    assert body_mask(_image(_rng().normal(size=(3, 48, 48)))).all()
    assert body_mask(_image(np.moveaxis(skimage.data.immunohistochemistry(), -1, 0))).all()
    assert body_mask(_image(skimage.data.camera()[None])).all()
    assert body_mask(_image(skimage.data.coins()[None])).all()


def test_the_eye_is_the_body_of_a_fundus_photograph():
    retina = skimage.data.retina()[::4, ::4]
    eye = _disc(retina.shape[:2], 0.49 * len(retina))
    assert _dice(body_mask(_image(np.moveaxis(retina, -1, 0))).numpy(), eye) > 0.97


def test_the_body_does_not_depend_on_contrast_or_on_inversion():
    image = _mr(_disc((64, 64), 24))[None]
    expected = body_mask(_image(image)).numpy()
    assert _dice(body_mask(_image(3 * image + 50)).numpy(), expected) > 0.999
    assert _dice(body_mask(_image(2000 - image)).numpy(), expected) > 0.99


def test_crumbs_are_dropped_and_second_bodies_kept():
    image = np.zeros((1, 60, 60))
    image[:, 20:40, 8:24] = image[:, 20:40, 36:52] = 1
    image[:, 50:52, 30:32] = 1
    found = body_mask(_image(image)).numpy()
    assert found[30, 15]
    assert found[30, 44]
    assert not found[45:].any()


def test_the_background_value_is_air_glass_or_a_middle_grey():
    air = np.maximum(_ct(_disc((4, 64, 64), 24)), -1000)
    assert background_value(_image(air[None], (5.0, 1.0, 1.0))).item() == pytest.approx(-1000, abs=5)
    glass = background_value(_image(_histology(_disc((64, 64), 20))))
    torch.testing.assert_close(glass, torch.full((3,), 243.0), atol=1.0, rtol=0)
    ramp = np.broadcast_to(np.arange(65.0), (1, 65, 65))
    assert background_value(_image(ramp)).item() == pytest.approx(32)


def test_slices_lie_across_the_thickest_axis_and_along_the_last_two_of_isotropic_volumes():
    shape = (4, 5, 6)
    assert in_plane_axes(Grid(shape, default_affine(3, (3.0, 1.0, 1.0)))) == (1, 2)
    assert in_plane_axes(Grid(shape, default_affine(3, (1.0, 1.0, 3.0)))) == (0, 1)
    assert in_plane_axes(Grid(shape, default_affine(3, (1.0, 1.001, 1.0)))) == (1, 2)
    assert in_plane_axes(Grid((4, 5), default_affine(2))) == (0, 1)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason="no folder of real pairs beside the project")
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("abdomen_mr/chaos_t2_03_image.nii.gz", "abdomen_mr/chaos_t2_03_label.nii.gz"),
        ("lung_mr/h1_0004_image.nii.gz", "lung_mr/h1_0004_lobes.nii.gz"),
    ],
)
def test_the_body_of_a_real_volume_holds_its_organs_and_leaves_out_the_air(name, labels):
    image = read_image(REAL / name)
    body = body_mask(image).numpy()
    organs = read_labels(REAL / labels, image.grid) > 0
    assert body[organs].mean() > 0.99
    assert 0.2 < body.mean() < 0.7


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason="no folder of real pairs beside the project")
@pytest.mark.parametrize(
    "name",
    [
        "prostate_mr/prostatex_0000_t2w.mha",
        "lung_ct/elastix_baseline_image.mha",
        "pathology/tma_1B_I2_R.tif",
        "aerial/zurich_zh12_01_01_R.png",
    ],
)
def test_a_real_image_that_fills_its_frame_is_all_body(name):
    assert body_mask(read_image(REAL / name)).all()
