"""LeNet-5 on MNIST: the tutorial's recipe, quickly, and a better one.

    python tests/benchmarks/mnist.py [--seeds 3]

The tutorial's: 5 epochs, batches of 64, SGD with rate 0.01 and momentum 0.5, images resized to 32 x 32.
The better one: shifted images, Nesterov momentum, a rate that rises and falls. Both train the solution's
`lenet5` on all 60,000 images and look at the 10,000 test images after each epoch, as the tutorial does.
Needs `grader data fetch`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader.datasets import load

sys.path.insert(0, str(Path(__file__).parents[2] / "solution"))

import lab8

MEAN, STD = 0.1307, 0.3081  # of the training images' pixels, 0 to 1
PACE = 25.0  # seconds an epoch, the tutorial's on its laptop GPU


def prepared(images: Tensor) -> Tensor:
    """Stored images, uint8 (N, 1, 28, 28), as float (N, 1, 32, 32): resized as the tutorial does."""
    pixels = F.interpolate(images.float(), size=32, mode="bilinear", align_corners=False, antialias=True)
    return (pixels / 255 - MEAN) / STD


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (N, 1, 32, 32) moved by up to 2 pixels; what enters at the edge is the background."""
    padded = F.pad(images, (2, 2, 2, 2), value=-MEAN / STD)
    dy, dx = torch.randint(0, 5, (2, len(images), 1), generator=generator)
    rows, columns = dy + torch.arange(32), dx + torch.arange(32)
    which = torch.arange(len(images))[:, None, None]
    return padded[which, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def quicker(net: nn.Module) -> nn.Module:
    """The same function of the same weights: ReLU behind pooling has a quarter to do; channels come last."""
    layers = list(net.children())
    for at in range(len(layers) - 1):
        if isinstance(layers[at], nn.ReLU) and isinstance(layers[at + 1], nn.MaxPool2d):
            layers[at], layers[at + 1] = layers[at + 1], layers[at]
    made = nn.Sequential(*layers)
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    return made


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    right = [(net(x).argmax(1) == y).sum() for x, y in zip(images.split(500), labels.split(500), strict=True)]
    return float(sum(right)) / len(labels)


def train(
    train_set: tuple[Tensor, Tensor], test_set: tuple[Tensor, Tensor], seed: int, better: bool, epochs: int
) -> tuple[list[float], float]:
    """The test accuracy after each epoch, and the median seconds an epoch of training took."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = train_set
    net = quicker(lab8.lenet5())
    rate, momentum = (0.05, 0.9) if better else (0.01, 0.5)
    decay = 5e-4 if better else 0
    optimizer = torch.optim.SGD(
        net.parameters(), lr=rate, momentum=momentum, nesterov=better, weight_decay=decay, fused=True
    )
    size = 128 if better else 64
    steps = epochs * -(-len(images) // size)
    schedule = None  # a rate that stays; or that rises and falls
    if better:
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=steps, cycle_momentum=False
        )
    accuracies, seconds = [], []
    for _ in range(epochs):
        began = time.perf_counter()
        order = torch.randperm(len(images), generator=generator)
        for rows in order.split(size):
            pictures = shifted(images[rows], generator) if better else images[rows]
            pictures = pictures.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(net(pictures), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
        seconds.append(time.perf_counter() - began)
        accuracies.append(accuracy(net, *test_set))
    return accuracies, sorted(seconds)[len(seconds) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--better-epochs", type=int, default=12)
    asked = parser.parse_args()
    sets = [load("mnist", name, "full") for name in ("train", "test")]
    train_set, test_set = ((prepared(images), labels) for images, labels in sets)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| recipe | n | epochs | seconds an epoch | accuracy %, mean ± sd |\n|---|---|---|---|---|")
    for name, better, epochs in (("the tutorial's", False, 5), ("better", True, asked.better_epochs)):
        runs = [train(train_set, test_set, seed, better, epochs) for seed in range(asked.seeds)]
        last = [100 * accuracies[-1] for accuracies, _ in runs]
        pace = mean(seconds for _, seconds in runs)
        noise = stdev(last) if len(last) > 1 else 0.0
        print(f"| {name} | {len(runs)} | {epochs} | {pace:.1f}, {PACE / pace:.1f} x", end=" | ")
        print(f"{mean(last):.2f} ± {noise:.2f} |")
        print(f"  after each epoch, first seed: {' '.join(f'{a:.4f}' for a in runs[0][0])}", flush=True)


if __name__ == "__main__":
    main()
