"""Trains the sample class's small networks: `python tests/submissions/train_nets.py` (ten minutes, by hand).

Needs the complete CIFAR-10 (`grader data fetch`). Each network is trained by the
submission's own train_classifier. The files that it writes into weights/:
small_net.safetensors; nine_classes.safetensors, the same less one class;
tutorial_net.pt, a state dict; whole_model.pt, the pickled module instead of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import nets
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from grader.datasets import Size, load

WEIGHTS = Path(__file__).parent / "weights"


def trained(network: str) -> nn.Module:
    """Train the network of that source text with seed 0, and print how many test images it gets right."""
    lab8 = ModuleType("lab8")
    sys.modules["lab8"] = lab8  # where a pickled network will look for its class
    vars(lab8).update(torch=torch, nn=nn, F=F, Tensor=Tensor, time=time)
    exec(nets.PREPROCESS + network + nets.TRAIN, vars(lab8))
    images, labels = load("cifar10", "train", "full")
    torch.manual_seed(0)
    model: nn.Module = lab8.classifier()
    history = lab8.train_classifier(model, images, labels, device="cpu", seconds=3600, seed=0)
    sizes: tuple[Size, ...] = ("full", "mini")
    for size in sizes:
        test_images, test_labels = load("cifar10", "test", size)
        with torch.no_grad():
            logits = torch.cat([model(lab8.preprocess(batch)) for batch in test_images.split(500)])
        correct = int((logits.argmax(1) == test_labels).sum())
        print(f"{correct} of {len(test_labels)} right, after {history['seconds'][-1]:.0f} s", flush=True)
    return model


def main() -> None:
    """Train both and write all the checkpoints that the class hands in."""
    small = {name: tensor.contiguous() for name, tensor in trained(nets.SMALL_NET).state_dict().items()}
    save_file(small, WEIGHTS / "small_net.safetensors")
    last = list(small)[-2:]  # weight and bias of the last layer
    save_file(
        {**small, **{name: small[name][:9].clone() for name in last}}, WEIGHTS / "nine_classes.safetensors"
    )
    tutorial = trained(nets.TUTORIAL_NET)
    torch.save(tutorial.state_dict(), WEIGHTS / "tutorial_net.pt")
    torch.save(tutorial, WEIGHTS / "whole_model.pt")


if __name__ == "__main__":
    main()
