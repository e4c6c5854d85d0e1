"""From the tutorial's loop to the reference recipe, one idea at a time, on the same small network.

    python tests/benchmarks/ladder.py [--images 10000] [--epochs 5]

Prints a row an idea: seconds an epoch, and the accuracy on the complete test images after the last one.
Needs the complete CIFAR-10 (`grader data fetch`). One seed: small steps say
nothing about accuracy, and between the first four rows no step does, which learn alike.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from grader.datasets import load
from grader.torchvision_shim import import_torchvision

sys.path.insert(0, str(Path(__file__).parents[2] / "solution"))

import lab8
import lab8_tools

SEED = 8
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IDEAS = (
    "the tutorial's loop: DataLoader, PIL transforms, batches of 64, SGD",
    "images in memory as bytes, a batch transformed at once",
    "channels last",
    "the faster of float32 and bfloat16",
    "batches of 125, Nesterov momentum, weight decay, a higher rate that rises and falls",
    "shifted and mirrored images",
    "whitening, kernels that begin as identities, only shifts in batch norm, higher rates",
    "label smoothing",
    "Muon, batches of 500, a rate that falls from the start",
    "freed memory kept for the next tensors",
)


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """CIFAR-10 as torchvision gives it: a PIL image at a time, through transforms."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.arrays, self.labels = images.permute(0, 2, 3, 1).numpy(), labels
        transforms = import_torchvision().transforms
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


def plain_network() -> lab8.Classifier:
    """The reference's layers, begun as torch begins them, all of them learning."""
    model = lab8.Classifier("quick")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        for parameter in module.parameters():
            parameter.requires_grad = True
    return model


def resident_batches(images: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(images)).split(size):
        yield lab8.preprocess(images[rows]), labels[rows]


def tutorial_epochs(images: Tensor, labels: Tensor, epochs: int, step: int) -> nn.Module:
    """Ideas 0 to 3: the same steps, more quickly."""
    model = plain_network()
    if step >= 2:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    faster = step >= 3 and lab8.fastest_dtype(torch.device("cpu")) == torch.bfloat16
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    loader = DataLoader(Pictures(images, labels), batch_size=64, shuffle=True)
    for _ in range(epochs):
        batches: Iterable[tuple[Tensor, Tensor]] = (
            loader if step == 0 else resident_batches(images, labels, 64)
        )
        for pictures, answers in batches:
            layout = torch.channels_last if step >= 2 else torch.contiguous_format
            with torch.autocast("cpu", torch.bfloat16, enabled=faster):
                logits = model(pictures.contiguous(memory_format=layout))
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), answers).backward()
            optimizer.step()
    return model


def recipe_epochs(images: Tensor, labels: Tensor, epochs: int, step: int) -> nn.Module:
    """Ideas 4 to 9: other steps, and memory that stays."""
    if step >= 9:
        lab8_tools.keep_freed_memory()
    model = lab8.Classifier("quick") if step >= 6 else plain_network()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    if step >= 6:
        model.whiten.weight.data.copy_(lab8.whitening_filters(lab8.preprocess(images[:1000])))
    size = 500 if step >= 8 else 125
    generator = torch.Generator().manual_seed(SEED)
    batches = lab8.endless_batches(len(images), size, generator)
    shifts = [p for name, p in model.named_parameters() if p.requires_grad and p.ndim == 1]
    others = [p for name, p in model.named_parameters() if p.requires_grad and p.ndim > 1]
    factor = 32 if step >= 6 else 1  # where only shifts are learnt, they may move faster
    groups = [
        {"params": others, "lr": 0.25 if step >= 6 else 0.1, "weight_decay": 0.001},
        {"params": shifts, "lr": 0.25 * factor if step >= 6 else 0.1, "weight_decay": 0.001 / factor},
    ]
    sgd = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    optimizer = lab8.make_optimizer(model, size) if step >= 8 else sgd

    faster = lab8.fastest_dtype(torch.device("cpu")) == torch.bfloat16

    def loss_of_next_batch() -> Tensor:
        rows, mirrored = next(batches)
        shown = (
            lab8.augment(images[rows], mirrored, generator, lab8.PRESETS["quick"])
            if step >= 5
            else images[rows]
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=faster):
            logits = model(lab8.preprocess(shown))
        return F.cross_entropy(logits.float(), labels[rows], label_smoothing=0.2 if step >= 7 else 0.0)

    def schedule(progress: float) -> float:
        if step >= 8:
            return 1 - progress
        peak = 0.23
        return 0.2 + 0.8 * progress / peak if progress < peak else 1 - 0.93 * (progress - peak) / (1 - peak)

    lab8.train_loop(
        *(model, optimizer, loss_of_next_batch, lambda: (0.0, 0.0), epochs, len(images) // size, 1e6),
        schedule,
    )
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    asked = parser.parse_args()
    images, labels = (tensor[: asked.images] for tensor in load("cifar10", "train", "full"))
    test = load("cifar10", "test", "full")
    print(f"{len(images):,} training images, {asked.epochs} epochs, {torch.get_num_threads()} threads")
    print("\n| idea | seconds an epoch | test accuracy % |\n|---|---|---|")
    for step, idea in enumerate(IDEAS):
        torch.manual_seed(SEED)
        began = time.perf_counter()
        model = (tutorial_epochs if step < 4 else recipe_epochs)(images, labels, asked.epochs, step)
        seconds = (time.perf_counter() - began) / asked.epochs
        accuracy = lab8.evaluate(model, *test)[1]
        print(f"| {'+ ' if step else ''}{idea} | {seconds:.1f} | {accuracy:.2%} |", flush=True)


if __name__ == "__main__":
    main()
