"""CIFAR-10 and MNIST as tensors: a small part inside the package, the complete sets in a cache folder.

Images are uint8 (N, channels, height, width), labels int64 (N,), always in the
official order. The small part ("mini") are the first 100 test and the first 200
training images of each class, so that it is balanced and needs no network. The
complete sets ("full") are brought once by `grader.data_fetch.fetch` and lie in the
cache as uint8 .npy files, which are mapped into memory and never decoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from grader.errors import UserError
from grader.sheets import Bytes, from_sheet
from grader.types import Record

Name = Literal["cifar10", "mnist"]
Split = Literal["train", "test"]
Size = Literal["mini", "full"]

FOLDER_VARIABLE = "CONVNET_LAB_DATA"  # moves the cache folder
EMBEDDED = Path(__file__).parent / "data"
CLASSES = 10  # in both data sets


class Known(Record):
    """What is known of one split for certain: its size, and SHA-256 over its C-contiguous uint8 arrays."""

    images: int
    images_sha256: str
    labels_sha256: str


class DataSet(Record):
    """One data set: how it is called, the shape of one image, and its splits, small and complete."""

    title: str
    image_shape: tuple[int, int, int]
    mini: dict[Split, Known]
    full: dict[Split, Known]


DATA_SETS: dict[Name, DataSet] = {
    "cifar10": DataSet(
        title="CIFAR-10",
        image_shape=(3, 32, 32),
        mini={
            "train": Known(
                images=2_000,
                images_sha256="6d87aa7e4433c896ea8e98ad734bc5acaaf2966ce174f39563d27f9dc4e64ec1",
                labels_sha256="cc4c5aa56e0ea34249936cd7a5956a98ebba578dba9473e0684b0d70ce1161df",
            ),
            "test": Known(
                images=1_000,
                images_sha256="c7a0ff14cc4bbf93a2ec1eafee5c680db49c6a9e91797f5c5df2e628f0a2cfe0",
                labels_sha256="bf5fd7ab55257c7eeece32a36d229c4767d2479b59c8d506b7e35494f9cbf574",
            ),
        },
        full={
            "train": Known(
                images=50_000,
                images_sha256="9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111",
                labels_sha256="2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
            ),
            "test": Known(
                images=10_000,
                images_sha256="177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
                labels_sha256="cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
            ),
        },
    ),
    "mnist": DataSet(
        title="MNIST",
        image_shape=(1, 28, 28),
        mini={
            "train": Known(
                images=2_000,
                images_sha256="573bd264bb27a2355429e8dae6d9ef6caef28b7eb6033dc700a4da3cf847e159",
                labels_sha256="c25173f43a828c93398d299758b73562641f0652efc8b11bc02b76bd82e2ef1f",
            ),
            "test": Known(
                images=1_000,
                images_sha256="6973118ee26132cec5e8bca46303f598e8d7f3fd72a7056c43f828e761c432f0",
                labels_sha256="dd09f7c420b0ae3b12e27577950099656961d334160a05f57159510b1011915e",
            ),
        },
        full={
            "train": Known(
                images=60_000,
                images_sha256="741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
                labels_sha256="1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            ),
            "test": Known(
                images=10_000,
                images_sha256="6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
                labels_sha256="ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
            ),
        },
    ),
}


class Finding(Record):
    """What `verify` found out about one file."""

    file: Path
    ok: bool
    message: str


def cache_dir(chosen: Path | None = None) -> Path:
    """The folder of the complete data: `chosen`, else $CONVNET_LAB_DATA, else in the user's cache.

    It need not exist yet.
    """
    if chosen is not None:
        return chosen.expanduser()
    if variable := os.environ.get(FOLDER_VARIABLE):
        return Path(variable).expanduser()
    return Path(platformdirs.user_cache_dir("convnet-lab", appauthor=False))


def load(name: Name, split: Split, size: Size = "mini", folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """Return one split as (images, labels).

    Images are uint8, (N,3,32,32) for CIFAR-10 and (N,1,28,28) for MNIST; labels are
    int64 (N,), 0 to 9. With `full`, the images are mapped from the cache (`folder`,
    see `cache_dir`) and read when they are used; writing to them changes no file.
    Raises UserError where the complete data are missing or damaged.
    """
    if size == "mini":
        images, labels = _embedded(name, split)
        return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))
    known = DATA_SETS[name].full[split]
    where = cache_dir(folder)
    images = _mapped(file_of(where, name, split, "images"), (known.images, *DATA_SETS[name].image_shape))
    labels = _mapped(file_of(where, name, split, "labels"), (known.images,))
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def load_labelled(name: Name, images: str) -> tuple[Tensor, Tensor]:
    """Return the test images to measure accuracy on: "mini" or "full" of a data set, or those of a file.

    A name that is neither of the two words is the path of a file, see `load_images_file`.
    """
    sizes: dict[str, Size] = {"mini": "mini", "full": "full"}
    return load(name, "test", sizes[images]) if images in sizes else load_images_file(name, Path(images))


def load_training(name: Name, images: str) -> tuple[Tensor, Tensor]:
    """Return the training images for what `load_labelled(name, images)` measures: small for "mini"."""
    return load(name, "train", "mini" if images == "mini" else "full")


def load_images_file(name: Name, path: Path) -> tuple[Tensor, Tensor]:
    """Return an instructor's own held-out set: images uint8 (N, ...) like the data set's, labels int64 (N,).

    The file is an .npz or a .safetensors with the arrays `images` and `labels`. Raises
    UserError where it cannot be read or holds anything else.
    """
    arrays = _read_arrays(path)
    for key in ("images", "labels"):
        if key not in arrays:
            raise UserError(f"{path}: no array called {key} in it; save both, images and labels")
    images, labels = arrays["images"], arrays["labels"]
    shape = DATA_SETS[name].image_shape
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != shape or not len(images):
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
        hint = "; move the colours to the front" if images.shape[1:] == (*shape[1:], shape[0]) else ""
        raise UserError(
            f"{path}: images must be uint8 (N, {', '.join(map(str, shape))}), these are {found}{hint}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise UserError(f"{path}: labels must be whole numbers, these are {labels.dtype}")
    if labels.shape != images.shape[:1]:
        raise UserError(
            f"{path}: {len(images)} images need as many labels; the shape is {tuple(labels.shape)}"
        )
    labels = labels.to(torch.int64)
    if int(labels.min()) < 0 or int(labels.max()) >= CLASSES:
        raise UserError(f"{path}: labels must be 0 to 9, these go from {labels.min()} to {labels.max()}")
    return images.contiguous(), labels.contiguous()


def verify(folder: Path | None = None) -> list[Finding]:
    """Check the embedded and the complete data against the known SHA-256 sums; one finding a file."""
    findings = []
    for name, data_set in DATA_SETS.items():
        for split, known in data_set.mini.items():
            file = EMBEDDED / f"{name}-{split}.webp"
            try:
                images, labels = _embedded(name, split)
            except (OSError, ValueError) as error:
                findings.append(
                    Finding(file=file, ok=False, message=f"cannot be read: {error}; install again")
                )
                continue
            right = is_right(images, labels, known)
            message = (
                f"{known.images:,} images" if right else "not the images that were packed; install again"
            )
            findings.append(Finding(file=file, ok=right, message=message))
    for name, data_set in DATA_SETS.items():
        for split, known in data_set.full.items():
            where = cache_dir(folder)
            shape = (known.images, *data_set.image_shape)
            findings.append(_check(file_of(where, name, split, "images"), shape, known.images_sha256))
            findings.append(_check(file_of(where, name, split, "labels"), shape[:1], known.labels_sha256))
    return findings


def file_of(folder: Path, name: Name, split: Split, part: Literal["images", "labels"]) -> Path:
    """Where the cache keeps one array."""
    return folder / f"{name}-{split}-{part}.npy"


def sha256(array: Bytes) -> str:
    """SHA-256 over an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def is_right(images: Bytes, labels: Bytes, known: Known) -> bool:
    """Whether both arrays are the ones that are known."""
    return (sha256(images), sha256(labels)) == (known.images_sha256, known.labels_sha256)


@cache
def _embedded(name: Name, split: Split) -> tuple[Bytes, Bytes]:
    """The packed images and labels, decoded once a process. Callers copy before they hand them out."""
    with Image.open(EMBEDDED / f"{name}-{split}.webp") as picture:
        sheet: Bytes = np.asarray(picture.convert("RGB"))
    images = from_sheet(sheet, DATA_SETS[name].image_shape)
    digits = json.loads((EMBEDDED / "labels.json").read_text("ascii"))
    labels = np.frombuffer(digits[f"{name}-{split}"].encode("ascii"), dtype=np.uint8) - ord("0")
    return images, labels


def _mapped(file: Path, shape: tuple[int, ...]) -> Bytes:
    """Map an array of the cache into memory, without reading it."""
    try:
        # Copy on write: torch wants memory that may be written to, and the file must never change.
        array: Bytes = np.load(file, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{file}: the complete data are not here; run `grader data fetch`") from None
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file}: cannot be read ({error}); run `grader data fetch` again") from None
    if array.dtype != np.uint8 or array.shape != shape or not array.flags.c_contiguous:
        raise UserError(
            f"{file}: holds {array.dtype} {array.shape}, not uint8 {shape}; run `grader data fetch`"
        )
    return array


def _check(file: Path, shape: tuple[int, ...], expected: str) -> Finding:
    """Compare one file of the cache with its sum."""
    try:
        array = _mapped(file, shape)
    except UserError as error:
        return Finding(file=file, ok=False, message=str(error).removeprefix(f"{file}: "))
    if sha256(array) != expected:
        return Finding(file=file, ok=False, message="the SHA-256 sum is wrong; run `grader data fetch` again")
    return Finding(
        file=file, ok=True, message=f"{len(array):,} {file.stem.rpartition('-')[2]}, SHA-256 right"
    )


def _read_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays `images` and `labels` of a file, as far as they are there.

    Neither format can run code when it is read like this.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return safetensors.torch.load_file(path)
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file:
                if not zipfile.is_zipfile(file):
                    raise ValueError("it is no archive as numpy.savez makes it")
                file.seek(0)
                with np.load(file, allow_pickle=False) as archive:
                    wanted = [key for key in ("images", "labels") if key in archive]
                    return {key: torch.from_numpy(archive[key]) for key in wanted}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # a damaged file fails in many ways: zipfile, zlib, numpy, safetensors, memory
        raise UserError(
            f"{path}: cannot be read: {error or type(error).__name__}; save it again, "
            "without Python objects in it"
        ) from None
    raise UserError(
        f"{path}: give the held-out images as .npz or .safetensors, with arrays images and labels"
    )
