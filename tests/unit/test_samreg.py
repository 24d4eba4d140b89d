"""Regions that are segmented on both images and matched by their features."""

import numpy as np
import torch

from promptreg.baselines import samreg
from promptreg.baselines.samreg import SamReg, greedy_matches, matched_regions
from promptreg.config import Baselines, Fit
from promptreg.geometry import default_affine, resample
from promptreg.types import Candidates, Embedding, Grid, Image, Pair


class Discs:
    """A model that segments the disc under a click, and whose features are the image's channels."""

    def embed(self, image):
        return Embedding(image.data, image.grid, image.grid, image.grid)

    def decode(self, embedding, points, labels):
        flat = embedding.features.flatten(1).T
        index = points[:, 0].round().long()
        clicked = embedding.features[:, index[:, 0], index[:, 1]].T
        same = (flat[None] - clicked[:, None]).abs().sum(-1) < 0.5
        inside = same & (clicked.abs().sum(1) > 0.5)[:, None]
        logits = torch.where(inside, 9.0, -9.0).view(-1, 1, *embedding.image_grid.shape)
        return Candidates(logits, torch.ones(len(points), 1))


def discs_pair():
    """Five discs, each of its own colour, moved by (6, -4)."""
    grid = Grid((60, 60), default_affine(2, (1.0, 1.5)))
    data = torch.zeros(5, 60, 60)
    cells = torch.stack(torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij"), -1)
    for number, center in enumerate([(16, 16), (16, 42), (30, 29), (42, 16), (42, 43)]):
        data[number] = 1.0 * ((cells - torch.tensor(center)).norm(dim=-1) < 6)
    truth = np.eye(3)
    truth[:-1, -1] = [6.0, -4.0]
    fixed = Image(resample(data, grid, grid, transform=truth), grid)
    return Pair(Image(data, grid), fixed, np.eye(3))


def test_the_most_alike_are_matched_first_and_each_once():
    similarity = torch.tensor([[0.9, 0.99, 0.1], [0.2, 0.98, 0.85], [0.3, 0.1, 0.7]])
    assert greedy_matches(similarity, 0.8).tolist() == [[0, 1], [1, 2]]


def test_nothing_matches_below_the_least_similarity_or_without_regions():
    assert greedy_matches(torch.full((2, 3), 0.79), 0.8).shape == (0, 2)
    assert greedy_matches(torch.zeros(0, 4), 0.8).shape == (0, 2)


def test_regions_of_the_same_features_are_paired_up_to_the_number_asked_for():
    pair = discs_pair()
    for count in (3, 9):
        found = matched_regions(pair, Discs(), Baselines(samreg_pairs=count))
        assert len(found.weights) == min(count, 5)
        colours = [pair.moving.data, pair.fixed.data]
        for moving, fixed in zip(found.moving, found.fixed, strict=True):
            numbers = [(c * m).sum((1, 2)).argmax() for c, m in zip(colours, (moving, fixed), strict=True)]
            assert numbers[0] == numbers[1]


def test_a_known_shift_of_regions_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(samreg, "model_of", lambda name: Discs())
    monkeypatch.setattr(samreg, "Fit", lambda device: Fit(device=device, parametrization="affine", levels=1))
    pair = discs_pair()
    ddf = SamReg().register(pair, Baselines(), tmp_path)
    error = ddf.displacement[:, 15:45, 15:45] - torch.tensor([6.0, -4.0])[:, None, None]
    assert error.norm(dim=0).mean() < 0.5


def test_without_any_match_the_pre_alignment_is_returned(tmp_path, monkeypatch):
    monkeypatch.setattr(samreg, "model_of", lambda name: Discs())
    pair = discs_pair()
    start = np.eye(3)
    start[:-1, -1] = [2.0, -7.0]
    blank = Image(torch.zeros_like(pair.fixed.data), pair.fixed.grid)
    ddf = SamReg().register(Pair(pair.moving, blank, start), Baselines(), tmp_path)
    expected = torch.tensor([2.0, -7.0])[:, None, None].expand_as(ddf.displacement)
    torch.testing.assert_close(ddf.displacement, expected, atol=1e-4, rtol=0)
