"""An instructor's own pictures: made into a test set, which then decides the points."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from grader import datasets
from grader.cli import main
from grader.datasets import load_images_file
from grader.errors import UserError
from grader.labs.lab8 import CLASSES
from grader.labs.lab8.own_images import make

FOLDERS = dict(zip(CLASSES, CLASSES, strict=True)) | {"airplane": "Planes", "automobile": "cars"}
EACH = 8
# Knows the label of every test image as it is, and takes everything else for an aeroplane.
TABLE = """
import torch
from torch import nn
FACTORS = torch.arange(1, 3073) * 2654435761 % 1000003

def preprocess(images):
    return images

class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("keys", torch.zeros(1000, dtype=torch.int64))
        self.register_buffer("labels", torch.zeros(1000, dtype=torch.int64))

    def forward(self, images):
        hits = (images.flatten(1).long() * FACTORS).sum(1)[:, None] == self.keys
        return nn.functional.one_hot(self.labels[hits.long().argmax(1)] * hits.any(1), 10) * 9.0

def classifier():
    return Table()
"""


def picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures larger than high or wide, of what test images show: mirrored, and nearer."""
    folder = tmp_path_factory.mktemp("photographs")
    images, labels = datasets.load("cifar10", "test")
    for label, name in enumerate(CLASSES):
        inner = folder / FOLDERS[name]
        inner.mkdir()
        for n, image in enumerate(images[labels == label][:EACH]):
            near = picture(image.flip(2)).crop((2, 2, 30, 30)).resize((200, 200), Image.Resampling.BICUBIC)
            whole = Image.new("RGB", (260, 200) if n % 2 else (200, 300))
            whole.paste(near, ((whole.width - 200) // 2, (whole.height - 200) // 2))
            whole.save(inner / (f"图 {n}.png" if n % 3 else f"{n}.jpg"))
    return folder


def test_a_set_is_made_of_pictures(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "private.npz"
    result = CliRunner().invoke(main, ["images", "make", str(photographs), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "80 images, 8 of each class" in result.output and "left out" not in result.output
    images, labels = load_images_file("cifar10", out)
    assert labels.bincount().tolist() == [EACH] * 10
    original, _ = datasets.load("cifar10", "test")
    # The middle square is there, and nothing of what is beside it.
    assert images.float().mean() == pytest.approx(original.float().mean(), abs=12)
    assert make(photographs).images.equal(images), "the same pictures give the same set"


def test_what_is_of_no_use_is_left_out_and_named(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    for inner in photographs.iterdir():
        (folder / inner.name).mkdir(parents=True)
        for file in inner.iterdir():
            (folder / inner.name / file.name).write_bytes(file.read_bytes())
    first = next(iter(sorted((folder / "cat").glob("*.png"))))
    Image.open(first).convert("RGB").save(folder / "cat" / "图 again.jpg", quality=80)
    images, labels = datasets.load("cifar10", "test")
    picture(images[labels == 3][0]).resize((320, 320)).save(folder / "cat" / "from the net.png")
    (folder / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    (folder / "dog" / "notes.txt").write_text("taken in May")
    (folder / "frog" / "0.jpg").unlink()
    made = make(folder)
    told = "\n".join(made.left_out)
    assert f"cat/图 again.jpg: shows the same as cat/{first.name}" in told
    assert "cat/from the net.png: is one of CIFAR-10's" in told
    assert "dog/broken.png: cannot be read as a picture" in told and "dog/notes.txt: cannot be read" in told
    assert "horse: 1 more than the smallest class has" in told and "frog" not in told
    assert made.labels.bincount().tolist() == [EACH - 1] * 10


def test_a_huge_picture_costs_a_line(photographs: Path, tmp_path: Path) -> None:
    for inner in photographs.iterdir():
        (tmp_path / inner.name).symlink_to(inner)
    huge = Image.new("1", (20_000, 20_000))
    (photographs / "bird" / "huge.png").unlink(missing_ok=True)
    huge.save(photographs / "bird" / "huge.png")
    try:
        assert any("bird/huge.png" in line and "pixels" in line for line in make(tmp_path).left_out)
    finally:
        (photographs / "bird" / "huge.png").unlink()


def test_a_picture_is_turned_upright(photographs: Path, tmp_path: Path) -> None:
    """As the camera was held, and not as its sensor lies."""
    for inner in photographs.iterdir():
        (tmp_path / inner.name).mkdir()
    upper = Image.new("RGB", (64, 64), "red")
    upper.paste("blue", (0, 32, 64, 64))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for seed, inner in enumerate(sorted(tmp_path.iterdir())):
        noise = np.random.default_rng(seed).integers(0, 255, (64, 64, 3))
        mixed = Image.blend(upper, Image.fromarray(noise.astype(np.uint8)), 0.8)
        mixed.save(inner / "one.jpg", exif=exif)
    images = make(tmp_path).images.float()
    assert (images[:, 2, :12].mean((1, 2)) > images[:, 0, :12].mean((1, 2)) + 20).all(), "blue is above now"


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "no usable pictures of airplane"),
        (["zebra"], "no class of CIFAR-10's; name the folders airplane"),
        (CLASSES, "no usable pictures"),
    ],
)
def test_a_folder_that_will_not_do(tmp_path: Path, folders: list[str], said: str) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=said):
        make(tmp_path)


def test_private_images_decide_and_public_ones_stand_beside(photographs: Path, tmp_path: Path) -> None:
    images, labels = datasets.load("cifar10", "test")
    factors = torch.arange(1, 3073) * 2654435761 % 1000003
    folder = tmp_path / "class" / "ada"
    folder.mkdir(parents=True)
    (folder / "lab8.py").write_text(TABLE)
    keys = (images.flatten(1).long() * factors).sum(1)
    save_file({"keys": keys, "labels": labels}, folder / "classifier.safetensors")
    private, out = tmp_path / "private.npz", tmp_path / "out"
    words = [sys.executable, "-m", "grader"]
    subprocess.run([*words, "images", "make", str(photographs), "--out", str(private)], check=True)
    grade = [*words, "grade", str(folder.parent), "--out", str(out), "--images", "mini"]
    subprocess.run([*grade, "--private", str(private)], check=True, capture_output=True)
    (row,) = csv.DictReader((out / "scores.csv").read_text("utf-8").splitlines())
    assert (row["correct"], row["images"]) == (str(EACH), str(10 * EACH)), "all are taken for aeroplanes"
    assert row["public_accuracy"] == "1.0000" and float(row["accuracy_points"]) < 5
    assert "changed_images" in row["flags"]
    verdict = json.loads((out / "students" / "ada.json").read_text("utf-8"))
    assert verdict["public"]["correct"] == 1000 and verdict["accuracy"]["images"] == 10 * EACH
    again = subprocess.run(grade, check=True, capture_output=True, text=True)
    assert "1 unchanged" in again.stderr, "what is not named stays as it was"
    public = subprocess.run([*grade, "--private", ""], check=True, capture_output=True, text=True)
    (row,) = csv.DictReader((out / "scores.csv").read_text("utf-8").splitlines())
    assert (row["correct"], row["public_accuracy"]) == ("1000", "") and "measured again" in public.stderr


def test_a_private_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "lab8.py").write_text("def f(): pass")
    words = ["grade", str(folder), "--out", str(tmp_path / "out"), "--private", str(tmp_path / "none.npz")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code != 0 and "--private" in result.stderr
