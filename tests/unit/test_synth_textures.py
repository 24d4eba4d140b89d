import pytest
import torch

from promptreg.synth.draws import Draws
from promptreg.synth.textures import FAMILIES, draw_textures
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")


@pytest.mark.parametrize(("shape", "n"), [((64, 64), 20), ((20, 20, 20), 6)])
def test_every_family_has_finite_values_of_the_order_of_one(shape, n):
    places = image_places(shape, CPU).expand(n, -1, -1)
    fields = draw_textures(Draws(0, CPU), n, len(shape), max(shape))(places)
    assert len(fields) == len(FAMILIES)
    for field in fields:
        assert field.shape == places[:, 0].shape
        assert field.isfinite().all()
        assert 0.2 < field.std(dim=1).median() < 1.5


def test_textures_are_functions_of_place():
    places = image_places((32, 32), CPU).expand(3, -1, -1)
    textures = draw_textures(Draws(1, CPU), 3, 2, 32)
    for whole, part in zip(textures(places), textures(places[:, :, 50:90]), strict=True):
        assert torch.allclose(whole[:, 50:90], part, atol=1e-4)


def test_speckle_is_finer_than_smooth_noise():
    places = image_places((64, 64), CPU).expand(20, -1, -1)
    smooth, speckle = draw_textures(Draws(2, CPU), 20, 2, 64)(places)[:2]
    rough = [one.diff(dim=1).std() / one.std() for one in (smooth, speckle)]
    assert rough[1] > 2 * rough[0]


def test_elsewhere_the_same_families_have_other_details():
    places = image_places((64, 64), CPU).expand(20, -1, -1)
    textures = draw_textures(Draws(3, CPU), 20, 2, 64)
    for here, there in zip(textures(places), textures.elsewhere()(places), strict=True):
        assert torch.corrcoef(torch.stack((here.flatten(), there.flatten())))[0, 1].abs() < 0.3
        assert 0.7 < here.std() / there.std() < 1.4
