"""Data, pictures and saving for lab 8. Nothing here is to be changed, and nothing of it is graded.

The functions that you hand in must not use it: the grader takes `lab8` alone.
"""

from __future__ import annotations

import ctypes
import importlib
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SILENCE_SECONDS = 60.0  # from a host that sends nothing: then it cannot be reached

_declared: list[object] = []  # what is declared to torch has to stay alive


def load_cifar10(folder: str | Path, train: bool) -> tuple[Tensor, Tensor]:
    """Return the training or the test set: images uint8 (N, 3, 32, 32), labels int64 (N,).

    The first time, torchvision downloads it into `folder` (170 MB) and shows the time left; a download that
    was interrupted begins anew the next time. Where its host cannot be reached, ask your instructor for
    `cifar10-train-images.npy`, `cifar10-train-labels.npy` and the same two of `test`, and put them
    into `folder`. Raises RuntimeError where neither works; the message says what to do.
    """
    split = "train" if train else "test"
    images_file, labels_file = (Path(folder) / f"cifar10-{split}-{part}.npy" for part in ("images", "labels"))
    if images_file.exists() and labels_file.exists():
        return _load_npy(images_file, labels_file)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        data = _torchvision_datasets().CIFAR10(str(folder), train=train, download=True)
    except ImportError as error:
        raise RuntimeError(f"torchvision cannot be loaded ({error}): pip install torchvision") from error
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            f"CIFAR-10 is not in {folder} and cannot be downloaded ({error}): look at the connection, "
            f"or put {images_file.name} and {labels_file.name} there, which your instructor can give you"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets)


def _load_npy(images_file: Path, labels_file: Path) -> tuple[Tensor, Tensor]:
    import numpy as np

    try:
        images, labels = np.load(images_file), np.load(labels_file)
    except (OSError, ValueError, EOFError) as error:  # numpy's own on files that were cut short
        raise RuntimeError(
            f"{images_file} or {labels_file} cannot be read ({error}): copy both there again"
        ) from error
    if images.shape != (len(labels), 3, 32, 32) or images.dtype != np.uint8:
        raise RuntimeError(
            f"{images_file} holds {images.dtype} {images.shape} for {len(labels)} labels, "
            "and not uint8 (N, 3, 32, 32) for N: copy both files there again"
        )
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for its next tensors. Call it once, before training.

    Linux gives large pieces back and asks for them anew, a page at a time, in every step of a training,
    which costs up to a tenth of its time on a CPU. Where the C library is another, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    mallopt(-4, 0)  # M_MMAP_MAX of malloc.h: no piece is mapped by itself
    mallopt(-1, -1)  # M_TRIM_THRESHOLD: the end of the heap stays


def save_weights(model: nn.Module, folder: str | Path = ".") -> Path:
    """Save the model's state dict into `folder` for handing in, and return the file.

    That is `classifier.safetensors`, or `classifier.pt` where safetensors is not installed.
    The other one is removed: only one can be handed in. Until the new file is complete the old one stays.
    """
    # Clones, for safetensors refuses tensors that share their memory, as those of a layer used twice do.
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    safe, other = Path(folder) / "classifier.safetensors", Path(folder) / "classifier.pt"
    part = Path(folder) / "classifier.part"
    try:
        try:
            from safetensors.torch import save_file
        except ImportError:
            safe, other = other, safe
            torch.save(weights, part)
        else:
            save_file(weights, part)
        part.replace(safe)
    finally:
        part.unlink(missing_ok=True)  # of a saving that was interrupted
    other.unlink(missing_ok=True)
    return safe


def plot_history(history: dict[str, list[float]]) -> Figure:
    """Draw losses and accuracy by epoch, from what `train_classifier` returned."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, names, title in (
        (left, ("train_loss", "val_loss"), "loss"),
        (right, ("val_accuracy",), "accuracy"),
    ):
        for name in names:
            values = history.get(name, [])
            axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
        axes.set(xlabel="epoch", ylabel=title)
        axes.legend()
    return figure


def plot_predictions(images: Tensor, labels: Tensor, logits: Tensor) -> Figure:
    """Draw the first 16 images, each with its guessed class and, where that is wrong, the true one."""
    import matplotlib.pyplot as plt

    guesses = logits.argmax(dim=1).tolist()
    figure, axes = plt.subplots(2, 8, figsize=(14, 4), layout="constrained")
    for cell in axes.flat:
        cell.axis("off")
    for cell, image, truth, guess in zip(axes.flat, images, labels.tolist(), guesses, strict=False):
        cell.imshow(image.permute(1, 2, 0).cpu().numpy())
        title = CLASSES[guess] if guess == truth else f"{CLASSES[guess]}, not {CLASSES[truth]}"
        cell.set_title(title, fontsize=8, color="black" if guess == truth else "crimson")
    return figure


def confusion_matrix(labels: Tensor, logits: Tensor) -> Tensor:
    """Return int64 (10, 10): how many images of the row's class were taken for the column's."""
    pairs = labels.cpu() * len(CLASSES) + logits.argmax(dim=1).cpu()
    return torch.bincount(pairs, minlength=len(CLASSES) ** 2).reshape(len(CLASSES), len(CLASSES))


def plot_confusion(labels: Tensor, logits: Tensor) -> Figure:
    """Draw the confusion matrix with its counts."""
    import matplotlib.pyplot as plt

    matrix = confusion_matrix(labels, logits)
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    figure.colorbar(axes.imshow(matrix.numpy(), cmap="Blues"), ax=axes)
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=45, ha="right")
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    axes.set(xlabel="guessed", ylabel="true")
    half = matrix.max().item() / 2
    for row, counts in enumerate(matrix.tolist()):
        for column, number in enumerate(counts):
            axes.text(
                column,
                row,
                number,
                ha="center",
                va="center",
                fontsize=8,
                color="white" if number > half else "black",
            )
    return figure


def _torchvision_datasets() -> Any:
    """torchvision's data sets, also beside a torch without CUDA.

    torchvision's own extension may be built for CUDA; then its import ends in "operator torchvision::nms
    does not exist". No data set needs that operator: it is declared, and the import tried again.
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
