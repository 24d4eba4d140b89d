from dataclasses import replace

import pytest
import torch
from small_med3d import SMALL, reference_med3d, small_med3d

from promptreg.nets.volume_decoder import VolumeSam
from promptreg.nets.volume_vit import ChannelNorm, CubeAttention, VolumeSizes, VolumeViT, relative


def cubes(n=1, *, seed=0):
    return torch.randn(n, 1, *[SMALL.side] * 3, generator=torch.Generator().manual_seed(seed))


def test_features_are_those_of_the_reference_implementation():
    ours, theirs = small_med3d(), reference_med3d()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    with torch.no_grad():
        found, expected = ours.image_encoder(cubes(2)), theirs.image_encoder(cubes(2))
    assert found.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_names_and_shapes_of_the_released_network_are_those_of_the_reference_implementation():
    from medim.models.sam_med3d import build_sam3D_vit_b_ori

    with torch.device("meta"):
        ours, theirs = VolumeSam(), build_sam3D_vit_b_ori()
    shapes = [{name: one.shape for name, one in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert sum(one.numel() for one in ours.image_encoder.parameters()) == 92_924_928
    assert sum(one.numel() for one in ours.mask_decoder.parameters()) == 7_575_636


def test_a_window_as_wide_as_the_cube_is_no_window():
    with torch.device("meta"):
        whole = VolumeViT(SMALL).blocks[1].attn
        window = VolumeViT(replace(SMALL, window=SMALL.cells)).blocks[0].attn
    assert whole.reach == window.reach
    assert whole.rel_pos_d.shape == window.rel_pos_d.shape


def test_a_cube_that_does_not_fit_its_window_is_an_error():
    attention = CubeAttention(8, n_heads=2, reach=3)
    with pytest.raises(ValueError, match=r"\(4, 3, 3\) cells does not fit a window of 3"):
        attention(torch.zeros(1, 4, 3, 3, 8))


def test_relative_positions_count_down_along_what_is_attended_to():
    table = torch.arange(-3, 4)[:, None]
    torch.testing.assert_close(relative(table, 2, 4)[..., 0], torch.tensor([[0, -1, -2, -3], [1, 0, -1, -2]]))


def test_channel_normalization_leaves_every_cell_with_mean_zero_and_spread_one():
    maps = 3 + 5 * torch.randn(2, 64, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    normalized = ChannelNorm(64)(maps)
    assert normalized.shape == maps.shape
    torch.testing.assert_close(normalized.mean(1), torch.zeros(2, 3, 4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalized.std(1, correction=0), torch.ones(2, 3, 4, 5), atol=1e-4, rtol=0)


def test_the_released_network_sees_eight_cells_along_each_axis():
    assert VolumeSizes().cells == 8
