"""LeNet-5, 15 points. The oracle is the grader's own LeNet-5 with the weights of the student's."""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from grader.checks._expect import CheckFailed, check, expect, expect_close, expect_equal, show
from grader.sandbox import Model

BACKSTOP = 300.0

# Weight and bias of each layer. All ten shapes differ, so a tensor's shape tells its place,
# whatever its name and wherever it stands.
SHAPES = (
    *((6, 1, 5, 5), (6,)),
    *((16, 6, 5, 5), (16,)),
    *((120, 400), (120,)),
    *((84, 120), (84,)),
    *((10, 84), (10,)),
)
MAPS = ((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5))  # channels, height, width

# Relative to the largest output, float32 rounding was at most 1.2e-6 over 60 seeds and several right
# ways to write LeNet-5, and each wrong network of tests/test_checks.py was off by 5e-3 or more at some scale.
ROUNDING = 2e-5
SCALES = (0.3, 1.0, 30.0, 1000.0)  # of the inputs: some functions are alike for small numbers, some for large


@check(seconds=BACKSTOP)
def lenet_output_shape(lenet: Model, rng: random.Random, noise: torch.Generator) -> None:
    """`lenet5()` maps (N, 1, 32, 32) to (N, 10) for every batch size N."""
    for n in [1, 2, rng.randint(3, 9)]:
        output = lenet.forward(torch.randn(n, 1, 32, 32, generator=noise))
        expect_equal(tuple(output.shape), (n, 10), of=f"the output's shape for a batch of {n}")


@check(seconds=BACKSTOP)
def lenet_parameter_shapes(lenet: Model) -> None:
    """`lenet5()` has LeNet-5's ten parameter tensors, 61,706 numbers in all."""
    shapes = [tuple(parameter.shape) for parameter in lenet.parameters().values()]
    missing, extra = _difference(list(SHAPES), shapes), _difference(shapes, list(SHAPES))
    expect(
        not missing and not extra,
        "; ".join(
            f"{word} {show(some)}" for word, some in [("missing", missing), ("too many", extra)] if some
        ),
        expected=show(SHAPES),
        actual=show(shapes),
        hint="convolutions 1→6 and 6→16 of 5×5, then linear layers 400→120→84→10, all with a bias",
    )


@check(seconds=BACKSTOP, needs=("lenet_output_shape",))
def lenet_feature_maps(lenet: Model, noise: torch.Generator) -> None:
    """Inside `lenet5()` the feature maps are 6×28×28, 6×14×14, 16×10×10 and 16×5×5."""
    seen = lenet.activations(torch.randn(3, 1, 32, 32, generator=noise))
    maps = [(1, 32, 32)]
    for size in (tuple(step.output) for step in seen):
        if len(size) == 4 and size[0] == 3 and size[1:] != maps[-1]:  # a ReLU changes no size
            maps.append((size[1], size[2], size[3]))
    hint = "5×5 convolutions without padding, a pooling by 2 after each"
    expect_equal(tuple(maps[1:5]), MAPS, of="the feature maps' sizes", hint=hint)


@check(seconds=BACKSTOP, needs=("lenet_output_shape", "lenet_parameter_shapes"))
def lenet_same_function(lenet: Model, noise: torch.Generator) -> None:
    """`lenet5()` computes what LeNet-5 computes with the same weights: ReLU, max-pooling, no more."""
    weights = _by_shape(lenet.parameters())
    batches = [scale * torch.randn(8, 1, 32, 32, generator=noise) for scale in SCALES]
    expected = [_lenet(images.double(), weights) for images in batches]
    _expect_visible(expected)
    for images, right in zip(batches, expected, strict=True):
        hint = "ReLU and 2×2 max-pooling after each convolution, ReLU between linear layers, no more"
        atol = ROUNDING * right.abs().max().item()
        expect_close(lenet.forward(images), right, atol=atol, of="the outputs on random images", hint=hint)


@check(seconds=BACKSTOP, needs=("lenet_output_shape",))
def lenet_gradients(lenet: Model, noise: torch.Generator) -> None:
    """A backward pass through `lenet5()` reaches every parameter."""
    images = torch.randn(16, 1, 32, 32, generator=noise)
    labels = torch.randint(0, 10, (16,), generator=noise)
    may_be_zero = _zero_gradients(lenet.parameters(), images, labels)
    for name, gradient in lenet.gradients(images, labels).items():
        _expect_arrived(name, gradient, may_be_zero)


# The oracle


def _lenet(x: Tensor, weights: dict[tuple[int, ...], Tensor]) -> Tensor:
    """LeNet-5 as a function of its weights: x (N, 1, 32, 32) → (N, 10)."""
    w = [weights[shape] for shape in SHAPES]
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)  # (N, 6, 14, 14)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2)  # (N, 16, 5, 5)
    x = F.relu(F.linear(x.flatten(1), w[4], w[5]))  # (N, 120)
    x = F.relu(F.linear(x, w[6], w[7]))  # (N, 84)
    return F.linear(x, w[8], w[9])


def _by_shape(parameters: dict[str, Tensor]) -> dict[tuple[int, ...], Tensor]:
    return {tuple(parameter.shape): parameter.detach().double() for parameter in parameters.values()}


def _expect_visible(outputs: list[Tensor]) -> None:
    """Weights of zero, or not finite, would make all networks look alike: then nothing is shown."""
    if not any(output.std(0).max() > 50 * ROUNDING * output.abs().max() for output in outputs):
        raise CheckFailed(
            "with these weights LeNet-5 gives the same output for every image",
            expected="outputs that depend on the image",
            hint="leave the layers as PyTorch initialises them",
        )


def _zero_gradients(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> set[tuple[int, ...]]:
    """The shapes of the parameters whose gradient is fairly zero: units that are dead from the start."""
    weights = {shape: weight.requires_grad_() for shape, weight in _by_shape(parameters).items()}
    if sorted(weights) != sorted(SHAPES):
        return set()  # another network: no oracle
    F.cross_entropy(_lenet(images.double(), weights), labels).backward()  # type: ignore[no-untyped-call]
    return {shape for shape, weight in weights.items() if weight.grad is None or not weight.grad.any()}


def _expect_arrived(name: str, gradient: Tensor | None, may_be_zero: set[tuple[int, ...]]) -> None:
    name = show(name)
    hint = "in forward, stay with tensors: no .detach(), .item(), .data, numpy or new tensors"
    if gradient is None:
        raise CheckFailed(f"no gradient for {name}", expected="a gradient", actual="none", hint=hint)
    expect(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite", hint=hint)
    reached = bool(gradient.any()) or tuple(gradient.shape) in may_be_zero
    expect(reached, f"the gradient of {name} is zero throughout", hint=hint)


def _difference(some: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    rest = list(some)
    for shape in others:
        if shape in rest:
            rest.remove(shape)
    return rest
