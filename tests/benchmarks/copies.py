"""How often two students' own networks are flagged as copies, and near-copies found: run by hand.

python tests/benchmarks/copies.py train FOLDER [NET …]    an hour of one core, once
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import datasets

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "solution"), str(ROOT / "tests" / "submissions")]
import lab8  # noqa: E402
import nets  # noqa: E402
from integrity import lenet, linear, scaled  # noqa: E402


def lab_net(source: str) -> nn.Module:
    names: dict[str, object] = {"torch": torch, "nn": nn, "F": F}
    exec(source, names)
    net: nn.Module = names["classifier"]()  # type: ignore[operator]
    return net


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.skip(x))


def residual() -> nn.Module:
    stem = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
    blocks = Residual(16, 32), Residual(32, 64), Residual(64, 64)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Recipe(NamedTuple):
    make: Callable[[], nn.Module]
    images: int
    epochs: int
    rate: float  # 0: the reference's own training
    trainings: int


RECIPES = {
    "linear": Recipe(linear, 20_000, 4, 1e-3, 6),
    "lenet": Recipe(lenet, 30_000, 5, 3e-3, 10),
    "small": Recipe(lambda: lab_net(nets.SMALL_NET), 20_000, 4, 1e-2, 8),
    "residual": Recipe(residual, 10_000, 4, 1e-2, 8),
    "reference": Recipe(lambda: lab8.Classifier("quick"), 10_000, 3, 0.0, 6),
}


class Run(NamedTuple):
    """Of a training: the seed of the first weights, of the images' order, a factor to the rate, a jolt."""

    start: int
    order: int
    rate: float = 1.0
    jolt: float = 0.0  # to the first weights, as large as roundings


def runs(recipe: Recipe) -> dict[str, Run]:
    """Own trainings; then those that begin with the same weights; then other roundings of the first."""
    own = {f"own{seed}": Run(seed, seed) for seed in range(recipe.trainings)}
    start = {f"start{n}": Run(0, 100 + n, rate) for n, rate in enumerate((1.0, 0.5))}
    twins = {"twin0": Run(0, 0, 1.0, 1e-6)}
    return {**own, **start, **twins}


def trained(recipe: Recipe, run: Run, images: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(run.start)
    net = recipe.make()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 1 + run.jolt
    if not recipe.rate:
        lab8.RUNGS["quick"] = net.rung = net.rung._replace(epochs=recipe.epochs)  # type: ignore
        lab8.train_classifier(net, images, labels, device="cpu", seconds=1e6, seed=run.order)
        return net
    torch.manual_seed(run.order)
    fit(net, images, labels, recipe.rate * run.rate, recipe.epochs * (len(images) // 128))
    return net


def fit(net: nn.Module, images: Tensor, labels: Tensor, rate: float, steps: int) -> None:
    """`steps` of Adam with a rate that rises and falls, on shifted and mirrored images."""
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    rows: Tensor = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(rows) < 128:
            rows = torch.randperm(len(images))
        batch, labelled, rows = images[rows[:128]], labels[rows[:128]], rows[128:]
        batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
        down, right = torch.randint(-2, 3, (2,)).tolist()
        batch = batch.roll((down, right), (2, 3)).contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(net(scaled(batch)), labelled)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()


def train(folder: Path, names: list[str]) -> None:
    """Train what is not there yet."""
    torch.set_num_threads(1)
    images, labels = datasets.load("cifar10", "train", "full")
    test_images, test_labels = datasets.load("cifar10", "test", "full")
    jobs = [(name, *run) for name in names or RECIPES for run in enumerate(runs(RECIPES[name]).items())]
    for name, _, (key, run) in sorted(jobs, key=lambda job: job[1]):
        recipe, path = RECIPES[name], folder / f"{name}-{key}.pt"
        if path.exists():
            continue
        began = time.monotonic()
        net = trained(recipe, run, images[: recipe.images], labels[: recipe.images])
        with torch.no_grad():
            logits = torch.cat([net.eval()(scaled(part)) for part in test_images[:2000].split(250)])
        share = (logits.argmax(1) == test_labels[:2000]).double().mean()
        torch.save(net.state_dict(), path)
        print(f"{path.name}: {share:.1%} right, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", folder, *names]:
            train(Path(folder), names)
        case _:
            sys.exit(__doc__)
