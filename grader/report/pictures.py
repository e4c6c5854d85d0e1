"""The public test images as pictures in a page, and what the classes are called."""

from __future__ import annotations

import base64
import io
from functools import cache

from PIL import Image
from torch import Tensor

from grader import datasets
from grader.errors import UserError
from grader.own_images import CLASSES

__all__ = ["CLASSES", "picture"]


@cache
def picture(index: int, images: int) -> str:
    """An image of the public test set of so many `images`, as a data URL; empty where it is not here."""
    known = _public(images)
    if known is None or not 0 <= index < len(known):
        return ""
    file = io.BytesIO()
    Image.fromarray(known[index].permute(1, 2, 0).numpy()).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@cache
def _public(images: int) -> Tensor | None:
    """uint8 (N, 3, 32, 32)."""
    about = datasets.DATA_SETS["cifar10"]
    try:
        if images == about.mini["test"].images:
            return datasets.load("cifar10", "test", "mini")[0]
        if images == about.full["test"].images:
            return datasets.load("cifar10", "test", "full")[0]
    except UserError:  # the images were not fetched on this machine
        pass
    return None
