"""What `train_classifier` gets as `device` answers like a string and like a torch.device."""

import pytest
import torch
from torch import nn

from grader.sandbox.device import Device


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_it_is_asked_like_a_torch_device(name: str) -> None:
    device, real = Device(name), torch.device(name)
    assert (device.type, device.index) == (real.type, real.index)
    assert device == real and real == device and not device != real  # noqa: SIM202
    assert torch.device(device) == real and str(device) == str(real)
    assert device != torch.device("meta") and torch.device("meta") != device


def test_it_is_a_string() -> None:
    device = Device(torch.device("cuda", 0))
    assert device == "cuda:0" and device != "cpu" and "cuda" in device and f"{device}" == "cuda:0"
    assert device.startswith("cuda") and {"cuda:0": 1}[device] == 1 and isinstance(device, str)


def test_torch_takes_it() -> None:
    device = Device("cpu")
    assert torch.zeros(1).to(device).device == torch.ones(1, device=device).device == device
    assert nn.Linear(1, 1).to(device).weight.device.type == "cpu"
    assert torch.Generator(device).device.type == "cpu"
    with torch.autocast(device, torch.bfloat16), torch.autocast(device.type, enabled=False):
        pass
    with torch.device(device):
        assert torch.zeros(1).device.type == "cpu"
