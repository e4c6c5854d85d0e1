"""Many small images as one picture, and back: what the embedded images are kept in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

COLUMNS = 20  # images side by side


def to_sheet(images: Bytes) -> Bytes:
    """Lay (N, channels, height, width) out as one picture, 20 images a row: (rows, columns, channels)."""
    count, channels, height, width = images.shape
    tiles = images.reshape(count // COLUMNS, COLUMNS, channels, height, width)
    sheet: Bytes = tiles.transpose(0, 3, 1, 4, 2).reshape(-1, COLUMNS * width, channels)
    return sheet


def from_sheet(sheet: Bytes, image_shape: tuple[int, int, int]) -> Bytes:
    """Undo `to_sheet`."""
    channels, height, width = image_shape
    tiles = sheet[:, :, :channels].reshape(-1, height, COLUMNS, width, channels)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3).reshape(-1, *image_shape))
