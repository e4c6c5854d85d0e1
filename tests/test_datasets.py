"""The data that everything is measured on, as it lies in the package and in the cache."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from grader import datasets, sheets
from grader.datasets import (
    DATA_SETS,
    Known,
    Name,
    Split,
    cache_dir,
    load,
    load_images_file,
    load_labelled,
    sha256,
    verify,
)
from grader.errors import UserError
from grader.kit.embed_data import PER_CLASS

SETS: list[tuple[Name, Split]] = [(name, split) for name in DATA_SETS for split in ("train", "test")]


def fill(folder: Path, name: Name, split: Split) -> tuple[Tensor, Tensor]:
    """Lay the small set into a cache folder as if it were the complete one."""
    images, labels = load(name, split)
    np.save(datasets.file_of(folder, name, split, "images"), images.numpy())
    np.save(datasets.file_of(folder, name, split, "labels"), labels.numpy().astype(np.uint8))
    return images, labels


@pytest.fixture
def small_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare the small sets the complete ones: the complete ones are no part of the repository."""
    for name, data_set in DATA_SETS.items():
        monkeypatch.setitem(DATA_SETS, name, data_set.model_copy(update={"full": data_set.mini}))


@pytest.mark.parametrize(("name", "split"), SETS)
def test_the_embedded_images_are_the_packed_ones_and_balanced(name: Name, split: Split) -> None:
    images, labels = load(name, split)
    count = {"train": 2000, "test": 1000}[split]
    assert images.dtype == torch.uint8 and images.shape == (count, *DATA_SETS[name].image_shape)
    assert labels.dtype == torch.int64 and labels.shape == (count,)
    assert torch.bincount(labels).tolist() == [count // 10] * 10
    known = DATA_SETS[name].mini[split]
    assert sha256(images.numpy()) == known.images_sha256
    assert sha256(labels.numpy().astype(np.uint8)) == known.labels_sha256


def test_the_embedded_cifar10_begins_like_the_official_one() -> None:
    assert load("cifar10", "test")[1][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert load("cifar10", "train")[1][:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    mean = load("cifar10", "train")[0].double().mean((0, 2, 3)) / 255
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]).double(), atol=0.01, rtol=0)


def test_what_a_caller_does_to_its_images_stays_with_it() -> None:
    images, labels = load("cifar10", "test")
    images.zero_()
    labels.zero_()
    again, labels_again = load("cifar10", "test")
    assert again.any() and labels_again.any()


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_sheet_gives_the_images_back(name: Name) -> None:
    images = load(name, "test")[0].numpy()
    assert np.array_equal(sheets.from_sheet(sheets.to_sheet(images), DATA_SETS[name].image_shape), images)


@pytest.mark.parametrize(("name", "split"), SETS)
def test_the_complete_data_come_out_of_the_cache(
    name: Name, split: Split, tmp_path: Path, small_is_complete: None
) -> None:
    images, labels = fill(tmp_path, name, split)
    got, got_labels = load(name, split, "full", tmp_path)
    assert got.dtype == torch.uint8 and torch.equal(got, images)
    assert got_labels.dtype == torch.int64 and torch.equal(got_labels, labels)


def test_writing_to_the_mapped_images_changes_no_file(tmp_path: Path, small_is_complete: None) -> None:
    fill(tmp_path, "cifar10", "test")
    file = datasets.file_of(tmp_path, "cifar10", "test", "images")
    before = file.read_bytes()
    images, _ = load("cifar10", "test", "full", tmp_path)
    images.zero_()
    del images
    assert file.read_bytes() == before


def test_ten_thousand_images_are_mapped_in_under_50_ms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(datasets.file_of(tmp_path, "cifar10", "test", "images"), np.zeros((10_000, 3, 32, 32), np.uint8))
    np.save(datasets.file_of(tmp_path, "cifar10", "test", "labels"), np.zeros(10_000, np.uint8))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        load("cifar10", "test", "full", tmp_path)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05


def test_missing_complete_data_name_the_file_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cifar10-test-images\.npy: .*grader data fetch"):
        load("cifar10", "test", "full", tmp_path / "没有")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\x93NUMPY\x01\x00 nonsense"),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: np.save(file, np.zeros((3, 3, 32, 32), np.uint8)),
        lambda file: np.save(file, np.zeros((1000, 3, 32, 32), np.float32)),
        lambda file: np.save(file, np.array([{}], dtype=object), allow_pickle=True),
    ],
    ids=["empty", "nonsense", "cut off", "other shape", "other type", "pickled objects"],
)
def test_a_damaged_cache_is_one_line_and_no_images(
    damage: Callable[[Path], None], tmp_path: Path, small_is_complete: None
) -> None:
    fill(tmp_path, "cifar10", "test")
    damage(datasets.file_of(tmp_path, "cifar10", "test", "images"))
    with pytest.raises(UserError, match=r"cifar10-test-images\.npy: .*grader data fetch") as caught:
        load("cifar10", "test", "full", tmp_path)
    assert "\n" not in str(caught.value)


def test_verify_tells_right_missing_and_wrong_apart(tmp_path: Path, small_is_complete: None) -> None:
    fill(tmp_path, "cifar10", "test")
    fill(tmp_path, "cifar10", "train")
    fill(tmp_path, "mnist", "test")
    wrong = datasets.file_of(tmp_path, "cifar10", "train", "images")
    images = np.load(wrong)
    images[7, 0, 0, 0] ^= 1  # one bit of one pixel
    np.save(wrong, images)
    findings = {finding.file.name: finding for finding in verify(tmp_path)}
    assert len(findings) == 4 + 8
    assert [name for name, finding in findings.items() if not finding.ok] == [
        "cifar10-train-images.npy",
        "mnist-train-images.npy",
        "mnist-train-labels.npy",
    ]
    assert "SHA-256 sum is wrong" in findings["cifar10-train-images.npy"].message
    assert "not here" in findings["mnist-train-labels.npy"].message


def test_verify_notices_other_embedded_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = Known(images=1000, images_sha256="0" * 64, labels_sha256="0" * 64)
    cifar10 = DATA_SETS["cifar10"]
    changed = cifar10.model_copy(update={"mini": {**cifar10.mini, "test": other}})
    monkeypatch.setitem(DATA_SETS, "cifar10", changed)
    wrong = [
        finding.file.name for finding in verify(tmp_path) if finding.file.suffix == ".webp" and not finding.ok
    ]
    assert wrong == ["cifar10-test.webp"]


def test_the_cache_is_moved_by_the_variable_and_before_that_by_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVNET_LAB_DATA", raising=False)
    assert "convnet-lab" in cache_dir().parts[-1]
    monkeypatch.setenv("CONVNET_LAB_DATA", str(tmp_path / "数据"))
    assert cache_dir() == tmp_path / "数据"
    assert cache_dir(tmp_path / "chosen") == tmp_path / "chosen"


def held_out() -> dict[str, Tensor]:
    images, labels = load("cifar10", "test")
    return {"images": images[:50].clone(), "labels": labels[:50].clone()}


def as_numpy(arrays: dict[str, Tensor]) -> dict[str, Any]:  # Any, for numpy's writers have flags besides
    return {key: tensor.numpy() for key, tensor in arrays.items()}


def save(path: Path, arrays: dict[str, Tensor]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **as_numpy(arrays))
    else:
        safetensors.torch.save_file(arrays, path)
    return path


@pytest.mark.parametrize("filename", ["held-out.npz", "留出集.safetensors"])
@pytest.mark.parametrize("labels_dtype", [torch.uint8, torch.int32, torch.int64])
def test_an_instructors_own_images_are_read(filename: str, labels_dtype: torch.dtype, tmp_path: Path) -> None:
    arrays = held_out()
    path = save(tmp_path / filename, {**arrays, "labels": arrays["labels"].to(labels_dtype)})
    images, labels = load_images_file("cifar10", path)
    assert images.dtype == torch.uint8 and torch.equal(images, arrays["images"])
    assert labels.dtype == torch.int64 and torch.equal(labels, arrays["labels"])


def test_the_images_to_grade_on_are_chosen_by_a_word_or_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_is_complete: None
) -> None:
    assert torch.equal(load_labelled("cifar10", "mini")[0], load("cifar10", "test", "mini")[0])
    monkeypatch.setenv("CONVNET_LAB_DATA", str(tmp_path))
    with pytest.raises(UserError, match="grader data fetch"):
        load_labelled("cifar10", "full")
    fill(tmp_path, "cifar10", "test")
    assert torch.equal(load_labelled("cifar10", "full")[1], load("cifar10", "test")[1])
    assert len(load_labelled("cifar10", str(save(tmp_path / "own.npz", held_out())))[0]) == 50
    with pytest.raises(UserError, match="small"):
        load_labelled("cifar10", "small")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "no array called labels"),
        ({"images": None}, "no array called images"),
        ({"images": torch.zeros(50, 32, 32, 3, dtype=torch.uint8)}, "move the colours to the front"),
        ({"images": torch.zeros(50, 3, 32, 32)}, "must be uint8"),
        ({"images": torch.zeros(0, 3, 32, 32, dtype=torch.uint8)}, "must be uint8"),
        ({"images": torch.zeros(50, 1, 28, 28, dtype=torch.uint8)}, "must be uint8"),
        ({"labels": torch.zeros(50)}, "whole numbers"),
        ({"labels": torch.zeros(49, dtype=torch.int64)}, "50 images need as many labels"),
        ({"labels": torch.zeros(50, 1, dtype=torch.int64)}, "50 images need as many labels"),
        ({"labels": torch.full((50,), 10)}, "0 to 9"),
        ({"labels": torch.full((50,), -1)}, "0 to 9"),
    ],
)
def test_other_arrays_are_refused_with_the_reason(
    suffix: str, change: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    changed = {key: tensor for key, tensor in {**held_out(), **change}.items() if tensor is not None}
    path = save(tmp_path / f"held-out{suffix}", changed)
    with pytest.raises(UserError, match=message) as caught:
        load_images_file("cifar10", path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("filename", ["a.npz", "a.safetensors", "a.pt", "a.csv"])
@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"PK\x03\x04 cut off", b"\xff" * 64, None],
    ids=["empty", "nonsense", "cut off", "binary", "missing"],
)
def test_unreadable_files_are_refused_with_one_line(
    filename: str, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / filename
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_images_file("cifar10", path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_python_objects_in_an_npz_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    path = tmp_path / "trap.npz"
    np.savez(path, images=np.array([Trap()], dtype=object), labels=np.zeros(1, np.int64))
    with pytest.raises(UserError, match="without Python objects"):
        load_images_file("cifar10", path)
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_archive_is_refused_with_one_line(tmp_path: Path) -> None:
    """Bytes are changed at many places: zipfile, zlib and numpy each complain in their own way."""
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, **as_numpy(held_out()))
    content, refused = whole.read_bytes(), 0
    for at in range(0, len(content) - 9, max(len(content) // 150, 1)):
        damaged = tmp_path / "damaged.npz"
        wrong = bytes(byte ^ 0x5A for byte in content[at : at + 9])
        damaged.write_bytes(content[:at] + wrong + content[at + 9 :])
        try:
            load_images_file("cifar10", damaged)
        except UserError as error:
            refused += 1
            assert str(damaged) in str(error) and "\n" not in str(error)
    assert refused > 50


def test_the_suffix_may_have_capitals(tmp_path: Path) -> None:
    path = save(tmp_path / "own.npz", held_out())
    assert len(load_images_file("cifar10", path.rename(tmp_path / "OWN.NPZ"))[0]) == 50


@pytest.mark.parametrize("name", datasets.DATA_SETS)
@pytest.mark.parametrize("split", PER_CLASS)
def test_the_embedded_part_is_what_its_maker_takes(name: datasets.Name, split: datasets.Split) -> None:
    _, labels = datasets.load(name, split, "mini")
    assert labels.bincount().tolist() == [PER_CLASS[split]] * datasets.CLASSES
