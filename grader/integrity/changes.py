"""Small changes to images that leave what they show as it is.

How much honest networks mind them is measured by tests/benchmarks/integrity.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 1  # pixels, up to
NOISE = 2  # of 255, up to, each value by itself
CONTRAST = 0.05  # up to
BRIGHTNESS = 5  # of 255, up to


def changed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Copies of uint8 (N, 3, 32, 32) that show the same: each shifted, brighter or darker, with noise.

    Every second one is also mirrored, which no table of the images as they are foresees.
    """
    mirrored = torch.arange(len(images)) % 2 == 1
    shifted = _shifted(torch.where(mirrored[:, None, None, None], images.flip(3), images), generator)
    values = shifted.float()
    gain = 1 + CONTRAST * _signed((len(images), 1, 1, 1), generator)
    values = 128 + gain * (values - 128) + BRIGHTNESS * _signed((len(images), 1, 1, 1), generator)
    values += torch.randint(-NOISE, NOISE + 1, images.shape, generator=generator)
    return values.round().clamp(0, 255).to(torch.uint8)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to SHIFT pixels in both directions; the edge fills the gap."""
    count, _, height, width = images.shape
    moves = torch.randint(-SHIFT, SHIFT + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + moves[0]).clamp(0, height - 1)  # (N, 32): where each row comes from
    columns = (torch.arange(width) + moves[1]).clamp(0, width - 1)
    which = torch.arange(count)[:, None, None]
    moved = images[which, :, rows[:, :, None], columns[:, None, :]]  # indexing puts the channels last
    return moved.permute(0, 3, 1, 2).contiguous()


def _signed(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1
