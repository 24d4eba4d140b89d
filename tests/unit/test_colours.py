import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from promptreg.models.colours import resize_8bit, to_colours


def test_eight_bit_colours_stay_as_they_are():
    colours = torch.tensor([[[0.0, 255.0]], [[10.0, 20.0]], [[3.0, 4.0]]])
    assert torch.equal(to_colours(colours), colours)


def test_a_grey_image_is_windowed_between_percentiles_of_what_is_not_zero():
    values = torch.linspace(100, 1100, 10001)
    data = torch.cat([torch.zeros(5000), values])[None, None]
    colours = to_colours(data)
    assert colours.shape == (3, 1, 15001)
    assert colours.unique(dim=0).shape[0] == 1
    middle = colours[0, 0, 5000 + 5000].item()
    assert middle == pytest.approx(127.5, abs=0.1)
    assert colours[0, 0, :5000].max() == 0
    assert colours.max() == 255


def test_brightness_and_contrast_of_a_grey_image_do_not_matter():
    data = torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0)) + 1
    torch.testing.assert_close(to_colours(7 * data + 300), to_colours(data), atol=1e-2, rtol=0)


def test_two_channels_are_windowed_each_and_averaged_to_grey():
    ramp = torch.linspace(1, 2, 1001)
    colours = to_colours(torch.stack([ramp, -1000 * ramp])[:, None])
    torch.testing.assert_close(colours, torch.full_like(colours, 127.5), atol=1e-2, rtol=0)


def test_an_image_without_contrast_becomes_black():
    assert to_colours(torch.zeros(1, 4, 4)).abs().max() == 0
    assert to_colours(torch.full((1, 4, 4), 7.0)).abs().max() == 0


@pytest.mark.parametrize("shape", [(97, 41), (128, 82), (1024, 657)])
def test_the_resize_rounds_like_pillow(shape):
    generator = np.random.default_rng(3)
    blobs = torch.from_numpy(generator.uniform(0, 255, (1, 3, 9, 9)))
    smooth = torch.nn.functional.interpolate(blobs, (120, 77), mode="bicubic").clamp(0, 255)
    pixels = smooth[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    expected = np.asarray(Pillow.fromarray(pixels).resize(shape[::-1], Pillow.Resampling.BILINEAR))
    found = resize_8bit(torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), shape)[0]
    difference = np.abs(found.permute(1, 2, 0).numpy() - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 5e-3
