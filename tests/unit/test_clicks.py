import torch

from promptreg.training.clicks import FAR_SHARE, STRIDE, corrective_clicks, simulated_clicks


def boxes(n=200):
    """Regions (n, 1, 16, 20): a box of 4 x 6 mask cells each."""
    truth = torch.zeros(n, 1, 16, 20)
    truth[..., 5:9, 3:9] = 1
    return truth


def drawing(seed=0):
    return torch.Generator().manual_seed(seed)


def read(truth, points):
    """Values (B, K, P) of regions at points in pixels of the input."""
    cells = ((points + 0.5) / STRIDE).floor().long()
    item = torch.arange(len(truth))[:, None]
    return truth[item, 0, cells[:, 0, :, 0], cells[:, 0, :, 1]][:, None]


def test_positive_clicks_lie_inside_and_negative_ones_outside():
    truth = boxes()
    points, labels = simulated_clicks(truth, 5, single_share=0.5, generator=drawing())
    values = read(truth, points)
    assert (values[labels == 1] == 1).all()
    assert (values[labels == 0] == 0).all()
    assert (labels[..., 0] == 1).all()


def test_negative_clicks_are_mostly_near():
    points, labels = simulated_clicks(boxes(), 5, single_share=0.0, generator=drawing())
    negative = points[labels == 0] / STRIDE
    beyond = torch.stack([5 - negative, negative - torch.tensor([8.0, 8.0])]).amax((0, 2))
    assert (beyond <= 12).all()
    assert (negative[:, 1] < 16).float().mean() > 0.9


def test_some_negative_clicks_fall_anywhere():
    truth = torch.zeros(400, 1, 64, 64)
    truth[..., 4:8, 4:8] = 1
    points, labels = simulated_clicks(truth, 5, single_share=0.0, generator=drawing())
    far = (points[labels == 0] / STRIDE > 32).any(-1).float().mean().item()
    assert abs(far - FAR_SHARE * 0.75) < 0.05


def test_the_share_of_single_clicks_is_the_one_asked_for_and_the_rest_have_two_to_all():
    _, labels = simulated_clicks(boxes(2000), 5, single_share=0.6, generator=drawing())
    counts = (labels >= 0).sum(-1).flatten()
    assert abs((counts == 1).float().mean().item() - 0.6) < 0.05
    several = counts[counts > 1]
    for n in range(2, 6):
        assert abs((several == n).float().mean().item() - 0.25) < 0.05


def test_padding_stands_behind_the_clicks():
    _, labels = simulated_clicks(boxes(), 5, single_share=0.5, generator=drawing())
    real = labels >= 0
    assert (real.long().diff(dim=-1) <= 0).all()


def test_the_same_seed_gives_the_same_clicks():
    one, two = (simulated_clicks(boxes(4), 5, single_share=0.5, generator=drawing(7)) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_corrections_lie_where_the_mask_is_wrong_and_say_what_is_right():
    truth = boxes()
    found = truth.clone()
    found[..., 5:7, 3:9] = 0
    found[..., 12:14, 10:14] = 1
    points, labels = corrective_clicks(2 * found - 1, truth, generator=drawing())
    assert (read(found, points) != read(truth, points)).all()
    assert torch.equal(labels, read(truth, points).long())
    assert set(labels.flatten().tolist()) == {0, 1}


def test_a_perfect_mask_is_confirmed_by_a_positive_click():
    points, labels = corrective_clicks(2 * boxes(4) - 1, boxes(4), generator=drawing())
    assert (labels == 1).all()
    assert (read(boxes(4), points) == 1).all()
