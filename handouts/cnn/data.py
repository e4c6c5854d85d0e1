"""MNIST and CIFAR-10 for the notebooks: all images where they are at hand, else a part of the real ones."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("data")  # beside the notebooks
FOLDER_VARIABLE = "CONVNET_LAB_DATA"  # another folder with complete data
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the pixels of all 60,000 training images, 0 to 1

_declared: list[object] = []  # what is declared to torch has to stay alive


def load_mnist(train: bool = True, download: bool = False) -> tuple[Tensor, Tensor]:
    """Return images uint8 (N, 1, 28, 28) and labels int64 (N,), and say how many they are.

    All of MNIST where `data/` has it, or with `download`, through torchvision; else the small part that
    came with the notebooks. Raises RuntimeError where a download fails, FileNotFoundError where nothing is.
    """
    return _load("mnist", train, download)


def load_cifar10(train: bool = True, download: bool = False) -> tuple[Tensor, Tensor]:
    """Return images uint8 (N, 3, 32, 32) and labels int64 (N,), and say how many; see `load_mnist`."""
    return _load("cifar10", train, download)


def import_torchvision() -> Any:
    """Return torchvision, transforms and models included, also where it was built for CUDA, torch not."""
    _torchvision_datasets()
    return importlib.import_module("torchvision")


def _load(name: str, train: bool, download: bool) -> tuple[Tensor, Tensor]:
    split, title = "train" if train else "test", {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    what = f"{title}, {'training' if train else 'test'} images"
    folders = [FOLDER, *([Path(os.environ[FOLDER_VARIABLE])] if FOLDER_VARIABLE in os.environ else [])]
    for folder in folders:
        files = [folder / f"{name}-{split}-{part}.npy" for part in ("images", "labels")]
        if all(file.exists() for file in files):
            images, labels = (torch.from_numpy(np.load(file)) for file in files)
            print(f"{what}: all {len(images):,}")
            return images, labels.long()
        there = folder / ("MNIST/raw" if name == "mnist" else "cifar-10-batches-py")
        if there.exists():
            images, labels = _from_torchvision(name, folder, train, download=False)
            print(f"{what}: all {len(images):,}")
            return images, labels
    if download:
        images, labels = _from_torchvision(name, FOLDER, train, download=True)
        print(f"{what}: all {len(images):,}")
        return images, labels
    small = FOLDER / f"{name}-small.npz"
    if not small.exists():
        raise FileNotFoundError(
            f"{small} is not here: run this in the notebooks' folder, or with download=True"
        )
    with np.load(small) as arrays:
        images, labels = (torch.from_numpy(arrays[f"{split}_{part}"]) for part in ("images", "labels"))
    print(f"{what}: {len(images):,}, a small set (download=True: all)")
    return images, labels.long()


def _from_torchvision(name: str, folder: Path, train: bool, download: bool) -> tuple[Tensor, Tensor]:
    try:
        data_set: Any = getattr(_torchvision_datasets(), name.upper())(
            str(folder), train=train, download=download
        )
    except (OSError, RuntimeError, ImportError) as error:
        raise RuntimeError(f"{name}: cannot be read from {folder} or downloaded: {error}") from error
    if name == "mnist":
        return data_set.data.unsqueeze(1), data_set.targets
    return torch.from_numpy(data_set.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data_set.targets)


def _torchvision_datasets() -> Any:
    """torchvision's data sets, also where it was built for CUDA and torch was not.

    Then its import ends in "operator torchvision::nms does not exist". No data set needs
    that operator: it is declared, and the import tried again.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        return importlib.import_module("torchvision.datasets")
