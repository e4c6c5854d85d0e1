"""The public test images as pictures in a page."""

from __future__ import annotations

import base64
import io
from functools import cache

from PIL import Image
from torch import Tensor

from grader import datasets
from grader.errors import UserError


@cache
def picture(data: str, index: int, images: int) -> str:
    """An image of the public test set of `data` with so many `images`, as a data URL; empty if not here."""
    known = _public(data, images)
    if known is None or not 0 <= index < len(known):
        return ""
    file = io.BytesIO()
    Image.fromarray(known[index].permute(1, 2, 0).numpy()).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@cache
def _public(data: str, images: int) -> Tensor | None:
    """uint8 (N, C, H, W), or None where the images are not here."""
    if (name := next((one for one in datasets.DATA_SETS if one == data), None)) is None:
        return None
    about = datasets.DATA_SETS[name]
    try:
        if images == about.mini["test"].images:
            return datasets.load(name, "test", "mini")[0]
        if images == about.full["test"].images:
            return datasets.load(name, "test", "full")[0]
    except UserError:  # the images were not fetched on this machine
        pass
    return None
