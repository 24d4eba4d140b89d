import pytest
import torch

from promptreg.device import choose_device


def test_auto_takes_an_accelerator_where_there_is_one(monkeypatch):
    for present, wanted in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert choose_device("auto").type == wanted


def test_a_numbered_device_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


def test_an_absent_accelerator_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda:0' asked for.*use auto or cpu"):
        choose_device("cuda:0")


def test_a_name_that_is_no_device_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="unknown device 'gpu'; use auto, cpu, cuda"):
        choose_device("gpu")
