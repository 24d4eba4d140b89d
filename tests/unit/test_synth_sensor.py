from dataclasses import replace

import pytest
import torch

from promptreg.synth.draws import Draws
from promptreg.synth.sensor import COARSEST, blurred, draw_sensor

CPU = torch.device("cpu")


def perfect(n, shape):
    """Devices that change nothing."""
    sensor = draw_sensor(Draws(0, CPU), n, shape)
    nothing = dict.fromkeys(("bias", "noise", "speckle"), torch.zeros(n))
    flat = torch.ones(n, len(shape))
    never = torch.zeros(n, dtype=torch.bool)
    return replace(sensor, **nothing, blur=torch.full((n,), 1e-2), coarseness=flat, rician=never)


@pytest.mark.parametrize("shape", [(16, 20), (6, 8, 10)])
def test_a_perfect_device_returns_the_ideal_image(shape):
    image = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(perfect(2, shape).measured(image, Draws(1, CPU)), image, atol=1e-6)


def test_a_blurred_impulse_has_the_stated_spread_and_its_mass():
    image = torch.zeros(2, 1, 41, 41)
    image[:, :, 20, 20] = 1
    sigma = torch.tensor([1.0, 2.0])
    steps = torch.arange(41) - 20.0
    spread = (blurred(image, sigma, 8).sum((1, 3)) * steps**2).sum(1)
    assert torch.allclose(spread, sigma**2, rtol=0.02)
    assert torch.allclose(blurred(image, sigma, 8).sum((1, 2, 3)), torch.ones(2))


def test_coarse_sampling_keeps_a_ramp_and_loses_fine_stripes():
    sensor = replace(perfect(1, (48, 48)), coarseness=torch.tensor([[4.0, 1.0]]))
    ramp = torch.linspace(0, 1, 48)[:, None].expand(1, 1, 48, 48)
    kept = sensor.measured(ramp, Draws(1, CPU))
    assert (kept - ramp)[:, :, :-4].abs().max() < 1e-3
    stripes = (torch.arange(48) % 2 * 1.0)[:, None].expand(1, 1, 48, 48)
    assert sensor.measured(stripes, Draws(1, CPU))[:, :, :-4].std() < 1e-3
    assert torch.allclose(sensor.measured(stripes.mT, Draws(1, CPU)), stripes.mT, atol=1e-6)


def test_noise_has_the_stated_size_and_magnitudes_lift_the_dark():
    image = torch.full((1, 1, 64, 64), 0.5)
    noisy = replace(perfect(1, (64, 64)), noise=torch.tensor([0.05]))
    assert abs(noisy.measured(image, Draws(1, CPU)).std() - 0.05) < 0.003
    rician = replace(noisy, rician=torch.tensor([True]))
    assert rician.measured(image * 0, Draws(1, CPU)).mean() > 0.05


def test_devices_are_drawn_within_their_ranges_and_images_stay_in_range():
    sensor = draw_sensor(Draws(2, CPU), 300, (32, 32))
    assert 1 <= sensor.coarseness.min() <= sensor.coarseness.max() <= COARSEST + 1e-4
    image = torch.rand(300, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    measured = sensor.measured(image, Draws(3, CPU))
    assert 0 <= measured.min() <= measured.max() <= 1
