import torch
from monai.networks.nets import ViT
from small_segvol import SMALL, small_segvol

from promptreg.nets.segvol_net import SegVolNet

CLICKS = torch.tensor([[[3.0, 20.5, 31], [10, 4, 7]], [[12, 9, 2], [1, 30, 44.25]]])
LABELS = torch.tensor([[1, 0], [1, 1]])

PUBLISHED = torch.tensor(
    [
        [-2.557938, -3.387421, -6.402036, -3.108673, -6.515933, -1.455719, -1.536477, -3.007106],
        [-3.446857, -4.642201, -4.225212, -3.758682, -5.557890, -3.532216, -6.003655, -4.027884],
        [1.154618, 3.929413, -0.595867, 1.522910, -0.380457, 2.625884, 3.159278, 0.965176],
        [0.414868, 0.510059, 1.145970, 1.001241, 0.019469, -0.131446, -0.718374, -1.559147],
    ]
)
"""Every 8th, 16th and 24th logit that the authors' code (version 5768c97) gives with the same weights."""


def volume():
    return torch.rand(1, 1, *SMALL.shape, generator=torch.Generator().manual_seed(0))


def test_logits_are_those_of_the_published_code():
    net = small_segvol()
    with torch.no_grad():
        logits = net.masks(net.image_encoder(volume())[0], CLICKS, LABELS)
    torch.testing.assert_close(logits[:, 0, ::8, ::16, ::24].reshape(4, 8), PUBLISHED, atol=1e-3, rtol=0)


def test_the_encoder_is_monais_transformer():
    ours = small_segvol().image_encoder
    monai = ViT(
        1,
        SMALL.shape,
        SMALL.patch,
        hidden_size=SMALL.width,
        mlp_dim=4 * SMALL.width,
        num_layers=SMALL.depth,
        num_heads=SMALL.heads,
        proj_type="perceptron",
    ).eval()
    added_since = [key for key in monai.state_dict() if "norm_cross_attn" in key]
    result = monai.load_state_dict(ours.state_dict(), strict=False)
    assert (result.missing_keys, result.unexpected_keys) == (added_since, [])
    with torch.no_grad():
        tokens, _ = monai(volume())
        torch.testing.assert_close(ours(volume()), tokens.mT.unflatten(2, SMALL.cells), atol=1e-4, rtol=1e-4)


def test_the_published_sizes_have_117_million_parameters_without_the_part_for_text():
    with torch.device("meta"):
        net = SegVolNet()
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert round(sum(one.numel() for one in net.parameters()) / 1e6, 1) == 117.2
    assert shapes["image_encoder.patch_embedding.patch_embeddings.1.weight"] == (768, 4 * 16 * 16)
    assert shapes["image_encoder.patch_embedding.position_embeddings"] == (1, 8 * 16 * 16, 768)
    assert shapes["mask_decoder.output_upscaling.1.weight"] == (192, 16, 32, 32)
    assert shapes["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] == (3, 384)


def test_a_negative_click_is_not_a_positive_one():
    net = small_segvol()
    with torch.no_grad():
        cells = net.image_encoder(volume())[0]
        positive, negative = (net.masks(cells, CLICKS, torch.tensor([[1, k], [1, k]])) for k in (1, 0))
    assert (positive - negative).abs().max() > 0.1


def test_derivatives_with_respect_to_clicks_agree_with_differences():
    net = small_segvol().double()
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(SMALL.width, *SMALL.cells, dtype=torch.float64, generator=generator)
    points = CLICKS[:1].double()
    tangent = torch.randn(points.shape, dtype=torch.float64, generator=generator)

    def mass(p):
        return net.masks(cells, p, LABELS[:1]).tanh().sum()

    slope = torch.func.jvp(mass, (points,), (tangent,))[1]
    difference = (mass(points + 1e-5 * tangent) - mass(points - 1e-5 * tangent)) / 2e-5
    assert slope.abs() > 1
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=0)
