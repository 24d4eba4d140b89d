import pytest
import torch
from kornia.feature import LoFTR

from promptreg.baselines import loftr
from promptreg.baselines.base import BaselineUnavailable
from promptreg.config import Baselines


def test_released_names_are_loaded_strictly_and_a_missing_one_is_named(monkeypatch):
    torch.manual_seed(0)
    state = {loftr.PREFIX + name: one for name, one in LoFTR(pretrained=None).state_dict().items()}
    monkeypatch.setattr(loftr.checkpoints, "load_state_dict", lambda name: state)
    loftr.network.cache_clear()
    net = loftr.network(torch.device("cpu"))
    for name, one in net.state_dict().items():
        assert torch.equal(one, state[loftr.PREFIX + name])
    lost = next(name for name in state if name.endswith("weight"))
    del state[lost]
    loftr.network.cache_clear()
    with pytest.raises(ValueError, match=lost.removeprefix(loftr.PREFIX).replace(".", r"\.")):
        loftr.network(torch.device("cpu"))
    loftr.network.cache_clear()


def test_points_are_counted_from_the_centre_of_the_first_cell():
    def net(pair):
        assert set(pair) == {"image0", "image1"}
        return {"keypoints0": torch.tensor([[0.5, 0.5]]), "keypoints1": torch.tensor([[8.5, 4.5]])}

    here, there = loftr.matches(net, torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 24))
    assert here.tolist() == [[0.0, 0.0]]
    assert there.tolist() == [[8.0, 4.0]]


def test_without_weights_it_is_not_run_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    loftr.network.cache_clear()
    with pytest.raises(BaselineUnavailable, match="loftr"):
        loftr.Loftr().register(None, Baselines(device="cpu"), tmp_path)
