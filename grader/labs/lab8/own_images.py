"""A test set that students have never seen, from an instructor's own pictures.

CIFAR-10's test images and labels are on every student's machine, so no measurement on them can prove that a
network did not know them. Pictures that were never published can.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from grader import datasets
from grader.errors import UserError
from grader.labs.lab8 import CLASSES, DATA, LAB
from grader.text import safe_line

SAME_AS = {
    **{"aeroplane": "airplane", "plane": "airplane", "car": "automobile", "auto": "automobile"},
    **{"boat": "ship", "lorry": "truck"},
}
SIDE = LAB.input_shape[-1]  # pixels
PIXELS = 100_000_000  # of a picture, which takes 300 MB to open
FEW = 1000  # images, for which the 95 % interval of an accuracy is up to 6 points wide
ALIKE = 0.98  # from here on two thumbnails show the same picture; of two of CIFAR-10's it is 1 in 200


class Made(NamedTuple):
    """What came of a folder of pictures."""

    images: Tensor  # uint8 (N, 3, 32, 32), as many of each class
    labels: Tensor  # int64 (N,)
    left_out: list[str]  # a line for each picture that is not in it, and why


class _Picture(NamedTuple):
    path: Path
    label: int
    image: Tensor  # uint8 (3, 32, 32)


def make(folder: Path) -> Made:
    """Prepare the pictures of a folder that has one subfolder for each class, as CIFAR-10's were.

    The middle square of each, upright, in RGB, is scaled down by Pillow's Lanczos filter. A picture that
    cannot be read, is there twice or is one of CIFAR-10's is left out; and of the other classes as many as
    the smallest has not, by lot, always the same. Raises UserError where a class has no pictures, or a
    folder's name is no class.
    """
    left_out: list[str] = []
    pictures = list(_prepared(_folders(folder), left_out))
    pictures = _without_known(pictures, left_out)
    of_class = [[picture for picture in pictures if picture.label == label] for label in range(len(CLASSES))]
    least = min(map(len, of_class))
    if not least:
        missing = ", ".join(name for name, some in zip(CLASSES, of_class, strict=True) if not some)
        raise UserError(f"{folder}: no usable pictures of {missing}; every class needs as many as the others")
    chosen: list[_Picture] = []
    for name, some in zip(CLASSES, of_class, strict=True):
        random.Random(0).shuffle(some)
        chosen += some[:least]
        if len(some) > least:
            left_out.append(f"{name}: {len(some) - least} more than the smallest class has")
    labels = torch.tensor([picture.label for picture in chosen])
    return Made(torch.stack([picture.image for picture in chosen]), labels, left_out)


def save(made: Made, path: Path) -> None:
    """Write the .npz that `grader grade --private` takes. Raises UserError where that cannot be done."""
    if path.suffix.lower() != ".npz":
        raise UserError(f"{path}: give the file a name that ends in .npz")
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, images=made.images.numpy(), labels=made.labels.numpy())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another --out") from None


def _folders(folder: Path) -> list[tuple[Path, int]]:
    """The subfolders, and which class each is of."""
    found: list[tuple[Path, int]] = []
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); give a folder of pictures") from None
    for path in inner:
        name = path.name.strip().lower()
        name = name.removesuffix("s") if name.removesuffix("s") in {*CLASSES, *SAME_AS} else name
        name = SAME_AS.get(name, name)
        if name not in CLASSES:
            raise UserError(
                f"{safe_line(str(path), 200)}: no class of CIFAR-10's; name the folders {', '.join(CLASSES)}"
            )
        found.append((path, CLASSES.index(name)))
    return found


def _prepared(folders: list[tuple[Path, int]], left_out: list[str]) -> Iterator[_Picture]:
    for folder, label in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                try:
                    yield _Picture(path, label, _small(path))
                except Exception as error:  # a damaged picture fails in many ways
                    reason = safe_line(str(error) or type(error).__name__, 100)
                    left_out.append(f"{_name(path)}: cannot be read as a picture ({reason})")


def _small(path: Path) -> Tensor:
    """uint8 (3, 32, 32)."""
    with warnings.catch_warnings(), Image.open(path) as picture:
        warnings.simplefilter("ignore")  # of what cameras write beside the pixels
        if picture.width * picture.height > PIXELS:
            raise ValueError(f"more than {PIXELS // 1_000_000} million pixels")
        whole = ImageOps.exif_transpose(picture).convert("RGB")
    square = ImageOps.fit(whole, (SIDE, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1).contiguous()


def _without_known(pictures: list[_Picture], left_out: list[str]) -> list[_Picture]:
    """The pictures that are neither CIFAR-10's, mirrored or not, nor there before."""
    if not pictures:
        return []
    ours = _thumbnails(torch.stack([picture.image for picture in pictures]))
    kept: list[int] = []
    for at, (picture, thumbnail, known) in enumerate(zip(pictures, ours, _is_known(ours), strict=True)):
        twins = [kept[int(one)] for one in (ours[kept] @ thumbnail > ALIKE).nonzero()]
        if known:
            left_out.append(f"{_name(picture.path)}: is one of CIFAR-10's, which students may have")
        elif twins:
            left_out.append(f"{_name(picture.path)}: shows the same as {_name(pictures[twins[0]].path)}")
        else:
            kept.append(at)
    return [pictures[at] for at in kept]


def _is_known(thumbnails: Tensor) -> list[bool]:
    """Which of these are CIFAR-10's: of all 60,000 images, or of the embedded ones before a fetch."""
    best = torch.zeros(len(thumbnails))
    for split in datasets.DATA_SETS[DATA].full:
        try:
            images, _ = datasets.load(DATA, split, "full")
        except UserError:
            images, _ = datasets.load(DATA, split)
        for part in images.split(5_000):
            for view in (part, part.flip(3)):
                best = torch.maximum(best, (thumbnails @ _thumbnails(view).T).amax(1))
    return [bool(one) for one in best > ALIKE]


def _thumbnails(images: Tensor) -> Tensor:
    """float32 (N, 768) without brightness and contrast, of length 1; of one colour, 0."""
    small = F.avg_pool2d(images.float(), 2).flatten(1)
    return F.normalize(small - small.mean(1, keepdim=True))


def _name(path: Path) -> str:
    return safe_line(f"{path.parent.name}/{path.name}", 100)
