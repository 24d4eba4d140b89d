import torch
from small_med3d import SMALL, reference_med3d, small_med3d


def test_masks_of_a_click_given_a_former_mask_are_those_of_the_reference_implementation():
    ours, theirs = small_med3d(), reference_med3d()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(3, SMALL.embedding, *[SMALL.cells] * 3, generator=generator)
    former = torch.randn(3, 1, *[4 * SMALL.cells] * 3, generator=generator)
    points, labels = torch.rand(3, 1, 3, generator=generator) * SMALL.side, torch.tensor([[1], [0], [1]])
    with torch.no_grad():
        found = ours.masks(cells, points, labels, former)
        tokens, dense = theirs.prompt_encoder((points, labels), None, former)
        expected, _ = theirs.mask_decoder(cells, theirs.prompt_encoder.get_dense_pe(), tokens, dense)
    assert found.shape == (3, 1, *[4 * SMALL.cells] * 3)
    assert found.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
