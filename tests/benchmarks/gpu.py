"""What the reference recipe does on a GPU: prints the rows for solution/TRAINING.md.

    python tests/benchmarks/gpu.py split PARTS    # after `grader data fetch`: files of at most 40 MB
    python tests/benchmarks/gpu.py measure PARTS  # needs these files, torch, and no network

Measures the presets `standard` and `best` over seeds, each from the images on the device to the trained
network; how much of a training's time on the GPU is matrix work; and how long the classification of the
10,000 test images takes when all is warm. `--small` is a rehearsal: a few images, one epoch, any device.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[2] / "solution"))

import lab8

PART_BYTES = 40_000_000
SEEDS = {"standard": 10, "best": 3}
MATRIX_WORK = ("conv", "gemm", "cutlass", "xmma", "wgrad", "dgrad", "fprop", "matmul", "mm_", "bmm", "nvjet")
LONG = 1e6  # seconds; the epochs decide


def split(folder: Path) -> None:
    """Lay CIFAR-10 into `folder` as parts: SPLIT-images-N.npy, uint8 (n, 3, 32, 32), and SPLIT-labels.npy."""
    from grader.datasets import load

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test"):
        images, labels = load("cifar10", name, "full")
        np.save(folder / f"{name}-labels.npy", labels.numpy().astype(np.uint8))
        for number, part in enumerate(images.split(PART_BYTES // images[0].numel() - 1)):
            np.save(folder / f"{name}-images-{number}.npy", part.numpy())


def joined(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """What `split` laid down, as (images, labels). Raises SystemExit where a part is missing."""
    parts = sorted(folder.glob(f"{name}-images-*.npy"), key=lambda part: int(part.stem.split("-")[-1]))
    labels = torch.from_numpy(np.load(folder / f"{name}-labels.npy").astype(np.int64))
    images = torch.cat([torch.from_numpy(np.load(part)) for part in parts])
    if len(images) != len(labels):
        raise SystemExit(f"{folder}: {len(images)} images for {len(labels)} labels: a part is missing")
    return images, labels


def synchronised(device: torch.device) -> float:
    """The clock, when the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def trained(
    preset: str, seed: int, train: tuple[Tensor, Tensor], device: torch.device, epochs: int | None = None
) -> tuple[torch.nn.Module, float]:
    """A network of this preset and how long its training took, of `epochs` or all of the preset's."""
    torch.manual_seed(seed)
    model = lab8.Classifier(preset).to(device)
    model.preset = model.preset._replace(epochs=epochs or model.preset.epochs)
    began = synchronised(device)
    lab8.train_classifier(model, *train, device=device, seconds=LONG, seed=seed)
    return model, synchronised(device) - began


def spread(values: list[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values) if len(values) > 1 else 0:.2f}"


def matrix_share(train: tuple[Tensor, Tensor], device: torch.device) -> str:
    """Which share of the GPU's busy time, and of the wall time, convolutions and matrix products take."""
    if device.type != "cuda":
        return "no GPU"
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        _, seconds = trained("standard", 0, train, device, epochs=2)
    events = [event for event in profiler.key_averages() if event.device_type.name == "CUDA"]
    kernels = [event for event in events if not event.is_user_annotation]  # which enclose kernels
    busy = sum(event.self_device_time_total for event in kernels) / 1e6
    matrices = sum(
        event.self_device_time_total
        for event in kernels
        if any(word in event.key.lower() for word in MATRIX_WORK)
    )
    of_busy, of_all = matrices / 1e4 / busy, matrices / 1e4 / seconds
    return f"{of_busy:.0f} % of the {busy:.2f} s that the GPU was busy, {of_all:.0f} % of all {seconds:.2f} s"


def warm_milliseconds(work: Callable[[], Any], device: torch.device) -> float:
    """The median of nine runs after three that do not count."""
    times = []
    for _ in range(12):
        began = synchronised(device)
        work()
        times.append(synchronised(device) - began)
    return 1000 * sorted(times[3:])[4]


def measure(folder: Path, small: bool) -> None:
    """Print the table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, test = joined(folder, "train"), joined(folder, "test")
    seeds = SEEDS
    if small:
        seeds = {"quick": 2}
        train, test = (train[0][:400], train[1][:400]), (test[0][:200], test[1][:200])
        lab8.PRESETS["quick"] = lab8.PRESETS["quick"]._replace(epochs=1)
    train = train[0].to(device), train[1].to(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    print(f"{name}, torch {torch.__version__}, Python {platform.python_version()}")
    print(
        "\n| what | n | seconds, mean ± sd | accuracy %, plain forward pass, mean ± sd |\n|---|---|---|---|"
    )
    for preset, count in seeds.items():
        trained(preset, 999, train, device, epochs=1)  # warms up, with the same shapes
        seconds, accuracies = [], []
        for seed in range(count):
            model, took = trained(preset, seed, train, device)
            seconds.append(took)
            accuracies.append(100 * lab8.evaluate(model, *test)[1])
        print(f"| `{preset}` | {count} | {spread(seconds)} | {spread(accuracies)} |", flush=True)
    batches = test[0].to(device).split(2000)

    @torch.no_grad()
    def classify() -> None:
        for batch in batches:
            model(lab8.preprocess(batch)).argmax(dim=1).cpu()

    model.eval()
    took = warm_milliseconds(classify, device)
    what = f"{len(test[0]):,} images classified by `{preset}`, from bytes on the device, float32"
    print(f"\n{what} (TF32 where the GPU has it), warm: {took:.1f} ms")
    print(f"matrix work in two epochs of `standard`: {matrix_share(train, device)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("split", "measure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true", help="a rehearsal on a few images")
    asked = parser.parse_args()
    split(asked.folder) if asked.action == "split" else measure(asked.folder, asked.small)
