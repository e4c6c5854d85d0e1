"""Changes to images that leave what they show as it is.

How much honest networks mind them is measured by tests/benchmarks/integrity.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT = 1  # pixels, up to
NOISE = 2  # of 255, up to, each value by itself
CONTRAST = 0.05  # up to
BRIGHTNESS = 5  # of 255, up to

# Of the strong changes, up to.
ROTATION = 10  # degrees
ZOOM = 0.10
STRONG_SHIFT = 4  # pixels
LIGHT = 60  # of 255, at the edges: light that falls from one side


def changed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Copies of uint8 (N, 3, 32, 32) that show the same: each shifted, brighter or darker, with noise.

    Every second one is also mirrored, which no table of the images as they are foresees.
    """
    mirrored = torch.arange(len(images)) % 2 == 1
    shifted = _shifted(torch.where(mirrored[:, None, None, None], images.flip(3), images), generator)
    values = shifted.float()
    gain = 1 + CONTRAST * _signed((len(images), 1, 1, 1), generator)
    values = 128 + gain * (values - 128) + BRIGHTNESS * _signed((len(images), 1, 1, 1), generator)
    return _with_noise(values, generator)


def changed_strongly(images: Tensor, generator: torch.Generator) -> Tensor:
    """Copies of uint8 (N, 3, 32, 32) that show the same, but whose nearest image is often another one.

    Each is turned, zoomed, shifted and lit from one side, and perhaps mirrored.
    """
    count = len(images)
    angle = math.radians(ROTATION) * _signed((count,), generator)
    scale = 1 + ZOOM * _signed((count,), generator)
    side = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    move = STRONG_SHIFT / 16 * _signed((2, count), generator)  # of half an image's width
    places = torch.stack(
        [torch.stack([cosine * side, -sine, move[0]], 1), torch.stack([sine * side, cosine, move[1]], 1)], 1
    )
    grid = F.affine_grid(places, list(images.shape), align_corners=False)
    values = F.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    across, line = LIGHT * _signed((2, count, 1, 1, 1), generator), torch.linspace(-1, 1, images.shape[-1])
    return _with_noise(values + across[0] * line[:, None] + across[1] * line, generator)


def _with_noise(values: Tensor, generator: torch.Generator) -> Tensor:
    noisy = values + torch.randint(-NOISE, NOISE + 1, values.shape, generator=generator)
    return noisy.round().clamp(0, 255).to(torch.uint8)


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
