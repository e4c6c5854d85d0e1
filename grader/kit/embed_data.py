"""Packs the small part of both data sets into grader/data/, and of CIFAR-10's test images another small
part into lab8's self-test: `python -m grader.kit.embed_data`.

Takes the complete data from the cache (`grader data fetch`), so it is run by hand
and seldom. Lossless WebP is the smallest of the simple forms: 5.5 MB in all, against
7.0 MB as PNG and 7.4 MB as NumPy under lzma; it is decoded in under 0.1 s.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from grader.datasets import CLASSES, DATA_SETS, EMBEDDED, Split, load, sha256
from grader.lab import LABS
from grader.sheets import Bytes, to_sheet

PER_CLASS: dict[Split, int] = {"train": 200, "test": 100}
SELFTEST = LABS / "lab8" / "selftest"
SELFTEST_PER_CLASS = 40  # the next ones after those of grader/data/


def main() -> None:
    """Write the four pictures and labels.json, and print the sums that belong into grader/datasets.py."""
    EMBEDDED.mkdir(exist_ok=True)
    digits = {}
    for name in DATA_SETS:
        for split, per_class in PER_CLASS.items():
            images, labels = (tensor.numpy() for tensor in load(name, split, "full"))
            picked, picked_labels = _pick(images, labels, 0, per_class)
            _save(picked, EMBEDDED / f"{name}-{split}.webp")
            digits[f"{name}-{split}"] = "".join(map(str, picked_labels))
            print(name, split, len(picked), sha256(picked), sha256(picked_labels))
    (EMBEDDED / "labels.json").write_text(json.dumps(digits, indent=1) + "\n", "ascii")
    images, labels = (tensor.numpy() for tensor in load("cifar10", "test", "full"))
    picked, picked_labels = _pick(images, labels, PER_CLASS["test"], SELFTEST_PER_CLASS)
    _save(picked, SELFTEST / "images.webp")
    (SELFTEST / "labels.txt").write_text("".join(map(str, picked_labels)), "ascii")


def _pick(images: Bytes, labels: Bytes, start: int, count: int) -> tuple[Bytes, Bytes]:
    """So many images of each class, from the one at `start` on, in the data set's order; and their labels."""
    parts = [np.flatnonzero(labels == label)[start : start + count] for label in range(CLASSES)]
    chosen = np.sort(np.concatenate(parts))
    return images[chosen], labels[chosen].astype(np.uint8)


def _save(images: Bytes, file: Path) -> None:
    sheet = to_sheet(images)
    picture = Image.fromarray(sheet if sheet.shape[2] == 3 else sheet[:, :, 0])
    # Quality and method say how hard to search; with lossless=True no pixel changes.
    picture.save(file, lossless=True, quality=100, method=6, exact=True)


if __name__ == "__main__":
    main()
