"""What is kept of a network to compare it with others', see `copies`, which goes without torch."""

from __future__ import annotations

import base64
import functools

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, normalize

from grader.integrity.copies import PROBES, TESTED, WAVES


@functools.cache
def unlike_images() -> Tensor:
    """uint8 (PROBES, 3, 32, 32), always the same: spots of colour, each image the same when mirrored."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(PROBES, 3, 16, 16, generator=generator)
    spots = interpolate(colours, (32, 32), mode="bicubic")
    spots = (spots - spots.mean((1, 2, 3), True)) / spots.std((1, 2, 3), keepdim=True)
    images = (128 + 64 * spots).clamp(0, 255).to(torch.uint8)
    return torch.cat([images[..., :16], images[..., :16].flip(3)], 3)


def answers_of(logits: Tensor) -> str:
    """Logits (PROBES, 10) for `unlike_images()`, without what many networks have in common.

    That is a bias, a scale or a softmax, and what is linear in the colours of large parts of an image: simple
    networks know little else, and all of them the same.
    """
    values = logits.double()
    if (values >= 0).all() and ((values.sum(1) - 1).abs() < 0.01).all():  # probabilities
        values = values.clamp_min(1e-30).log()
    values = values.clamp(-1e30, 1e30)
    values = values - values.mean(1, keepdim=True)
    values = (values / values.abs().median().clamp_min(1e-9)).clamp(-20, 20)  # no image outweighs the others
    colours = avg_pool2d(unlike_images().double(), 8)[..., :2].flatten(1)  # the other half is the same
    known = torch.cat([colours, torch.ones(PROBES, 1)], 1)
    return _packed(normalize(values - known @ torch.linalg.lstsq(known, values).solution))


def errors_of(logits: Tensor, labels: Tensor) -> str:
    """For the first test images the class that is answered, a digit each, or a dot where it is right."""
    answers = logits[:TESTED].argmax(1)
    right = answers == labels[:TESTED]
    pairs = zip(answers.tolist(), right.tolist(), strict=True)
    return "".join("." if is_right else str(answer) for answer, is_right in pairs)


def ranks_of(logits: Tensor) -> str:
    """The orders as digits; empty where many logits are equal, for then they say nothing."""
    logits = logits[:PROBES]
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    distinct = (ordered.diff(dim=1) != 0).all(dim=1)
    if len(logits) < PROBES or distinct.double().mean() < 0.9:
        return ""
    return "".join(map(str, order.flatten().tolist()))


def sketch_of(numbers: Tensor | None) -> str:
    """What the sandbox said of the weights, where it is a sketch."""
    if numbers is None or not numbers.is_floating_point() or numbers.shape != (WAVES,):
        return ""
    numbers = numbers.double()
    return _packed(4 * numbers / numbers.norm().clamp_min(1e-9)) if numbers.isfinite().all() else ""


def _packed(values: Tensor) -> str:
    """Numbers of -1 to 1 as bytes, in base64."""
    numbers = (127 * values.nan_to_num().clamp(-1, 1)).round().to(torch.int8)
    return base64.b64encode(numbers.numpy().tobytes()).decode()
