"""A few numbers by which weights are known again, whatever their order, scale, names and kind of file.

Each kernel of a convolution, one input channel's share of one filter, is turned into waves of its direction,
and a tensor into the sum over its kernels. So the order of channels says nothing, nor does a channel's
scale or sign; a little noise changes little. The waves are so short that directions which merely have a
similar distribution, as two trainings give, add up to sums that have nothing to do with each other.
In a matrix to ten classes the ten weights of one input are taken instead, and in one from pixels the weights
of one output. Other matrices say nothing that a change of order would not hide, and are left out.

This file runs inside the sandbox, before any of the student's code in that process.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .checkpoints import Contents, state_dicts

WAVES = 512
LENGTH = 16.0  # of the waves' vectors, for kernels of length 1
CLASSES = 10
PIXELS = 3072
LEAST_KERNELS, MOST_KERNELS = 8, 2**14  # of a tensor
MOST_TENSORS = 300


def sketch(contents: Contents) -> Tensor | None:
    """float32 (WAVES,), of length 1; None where there is nothing to tell the weights by.

    Each tensor counts alike, whatever its size: so what everybody's network has, a first layer that is
    computed from the images, is a small part.
    """
    tensors = [value for _, found in state_dicts(contents.value) for value in found.values()]
    total = torch.zeros(WAVES)
    for tensor in tensors[:MOST_TENSORS]:
        kernels = _kernels(tensor)
        if kernels is not None:
            vectors = _vectors(kernels.shape[1])
            waves = sum(
                (torch.cos(part @ vectors).sum(0) for part in kernels.split(4096)), torch.zeros(WAVES)
            )
            total += waves / waves.norm().clamp_min(1e-9)
    length = total.norm()
    return total / length if length > 0 else None


def _kernels(tensor: Tensor) -> Tensor | None:
    """Its kernels (N, size), each of length 1; None where it has none, or too few."""
    if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.ndim < 2:
        return None
    if not tensor.numel():
        return None
    if tensor.ndim >= 3 and tensor[0, 0].numel() > 1:
        kernels = tensor.flatten(0, 1).flatten(1)
    elif len(tensor) == CLASSES:
        kernels = tensor.flatten(1).T
    elif tensor[0].numel() == PIXELS:
        kernels = tensor.flatten(1)
    else:
        return None
    kernels = kernels.float()
    lengths = kernels.norm(dim=1)
    kernels = kernels[lengths.isfinite() & (lengths > 0)]
    if len(kernels) < LEAST_KERNELS or kernels.shape[1] > PIXELS:
        return None
    kernels = torch.nn.functional.normalize(kernels)
    if len(kernels) > MOST_KERNELS:  # the same ones in whatever order
        kernels = kernels[(kernels @ _vectors(kernels.shape[1])[:, 0]).abs().topk(MOST_KERNELS).indices]
    return kernels


def _vectors(size: int) -> Tensor:
    """The waves' vectors (size, WAVES): always the same."""
    return LENGTH * torch.randn(size, WAVES, generator=torch.Generator().manual_seed(size))
