"""Small networks of many styles, honest and not, for benchmarks to train and to ask.

Each is trained for some seconds of CPU time on one thread, not to be good but to be what a class
hands in: plain and residual, convolutions and none, with and without shifted and mirrored images, on
few images until they are known by heart, on test images alone or beside others, or tuned on them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import datasets

ALL, NONE = slice(None), slice(0)


def scaled(images: Tensor) -> Tensor:
    return (images.float() / 255 - 0.5) / 0.25


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def mlp() -> nn.Module:
    sizes = [nn.Linear(3072, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)]
    return nn.Sequential(nn.Flatten(), *sizes)


def lenet() -> nn.Module:
    first = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    last = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*first, nn.Flatten(), *last)


def patches() -> nn.Module:
    """One convolution of large overlapping patches, then a perceptron."""
    last = [nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(nn.Conv2d(3, 64, 8, 4), nn.ReLU(), nn.Flatten(), *last)


def normed(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def vgg() -> nn.Module:
    blocks = [normed(3, 24), normed(24, 24), nn.MaxPool2d(2), normed(24, 48), normed(48, 48), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, normed(48, 96), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1536, 10))


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = normed(inputs, outputs, stride=stride)
        last = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.last = nn.Sequential(last, nn.BatchNorm2d(outputs))
        same = (inputs, stride) == (outputs, 1)
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.last(self.first(x)) + self.skip(x))


def resnet8() -> nn.Module:
    blocks = [normed(3, 16), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobile() -> nn.Module:
    """Depthwise and pointwise convolutions."""
    blocks = [normed(3, 32), normed(32, 32, groups=32), normed(32, 64, 1)]
    blocks += [normed(64, 64, stride=2, groups=64), normed(64, 128, 1)]
    blocks += [normed(128, 128, stride=2, groups=128), normed(128, 192, 1)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(192, 10))


class Transformer(nn.Module):
    """A vision transformer of three layers on patches of 4×4."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(torch.zeros(1, 64, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places  # (N, 64, width)
        logits: Tensor = self.head(self.layers(x).mean(1))
        return logits


class Kind(NamedTuple):
    """How a network is trained."""

    make: Callable[[], nn.Module]
    seconds: float  # of CPU time
    rate: float
    images: slice = ALL  # of the training images
    tests: slice = NONE  # of the test images, trained on as well
    augmented: bool = False
    start: str = ""  # whose weights it begins with


ZOO = {
    "linear": Kind(linear, 4, 1e-3),
    "mlp": Kind(mlp, 22, 1e-3),
    "lenet": Kind(lenet, 17, 3e-3),
    "patches": Kind(patches, 17, 1e-3),
    "vgg_aug": Kind(vgg, 56, 4e-3, augmented=True),
    "resnet8": Kind(resnet8, 48, 5e-3),
    "mobile_aug": Kind(mobile, 48, 5e-3, augmented=True),
    "vit": Kind(Transformer, 48, 1e-3),
    "mlp_over": Kind(mlp, 17, 1e-3, slice(10_000)),
    "lenet_over": Kind(lenet, 17, 3e-3, slice(8_000)),
    "resnet8_over": Kind(resnet8, 28, 5e-3, slice(4_000)),
    "vgg_over": Kind(vgg, 28, 4e-3, slice(5_000)),
    "vgg_tail": Kind(vgg, 28, 4e-3, slice(40_000, None), augmented=True),  # no embedded training image
    "x_test_lenet": Kind(lenet, 8, 3e-3, NONE, ALL),
    "x_test_vgg_aug": Kind(vgg, 22, 4e-3, NONE, ALL, augmented=True),
    "x_both_vgg_aug": Kind(vgg, 42, 4e-3, ALL, ALL, augmented=True),
    "x_tuned_lenet": Kind(lenet, 5, 5e-4, NONE, ALL, start="lenet"),
    "x_tuned_mlp": Kind(mlp, 5, 3e-4, NONE, ALL, start="mlp"),
    "x_tuned_resnet8": Kind(resnet8, 15, 1e-3, NONE, ALL, start="resnet8"),
    "x_tuned_vgg_aug": Kind(vgg, 15, 1e-3, NONE, ALL, augmented=True, start="vgg_aug"),
}


def train_all(folder: Path) -> None:
    """Train what is not in `folder` yet. Needs the complete CIFAR-10."""
    torch.set_num_threads(1)
    images, labels = datasets.load("cifar10", "train", "full")
    test_images, test_labels = datasets.load("cifar10", "test", "full")
    for name, kind in ZOO.items():
        if (folder / f"{name}.pt").exists():
            continue
        torch.manual_seed(0)
        net = load(folder, kind.start) if kind.start else kind.make()
        x = torch.cat([images[kind.images], test_images[kind.tests]])
        y = torch.cat([labels[kind.images], test_labels[kind.tests]])
        epochs = train(net, x, y, kind)
        torch.save(net.state_dict(), folder / f"{name}.pt")
        print(f"{name}: {epochs:.1f} epochs of {len(x):,} images", flush=True)


def train(net: nn.Module, x: Tensor, y: Tensor, kind: Kind) -> float:
    """Train in place; how many epochs that were."""
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=kind.rate, weight_decay=1e-3)
    began, seen = time.process_time(), 0
    while True:
        for rows in torch.randperm(len(x)).split(128)[: len(x) // 128]:
            done = (time.process_time() - began) / kind.seconds
            if done >= 1:
                return seen / len(x)
            for group in optimizer.param_groups:
                group["lr"] = kind.rate * min(1.0, 10 * done, 0.5 * (1 + math.cos(math.pi * done)) + 0.01)
            batch = moved(x[rows]) if kind.augmented else x[rows]
            loss = F.cross_entropy(net(scaled(batch)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(rows)


def moved(batch: Tensor) -> Tensor:
    """Half of the images mirrored, all shifted alike by up to two pixels."""
    batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
    down, right = torch.randint(0, 5, (2,)).tolist()
    padded = F.pad(batch.float(), (2, 2, 2, 2), mode="reflect")
    return padded[:, :, down : down + 32, right : right + 32]


def load(folder: Path, name: str) -> nn.Module:
    net = ZOO[name].make()
    net.load_state_dict(torch.load(folder / f"{name}.pt"))
    return net.eval()
