"""LeNet-5, 15 points. The oracle is the grader's own LeNet-5 with the weights of the student's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from grader.checks import check
from grader.expect import FLOATS, CheckFailed, expect, expect_close, expect_equal, floats, show
from grader.labs.lab8.lenet import INPUT, MAPS, SHAPES, Shape, parameters_of
from grader.sandbox import Model

# The operations by which the maps, and the numbers behind them, come about: name, sizes in and out.
# Which activation, which pooling, is not asked for: that is `lenet_same_function`'s business.
STEPS = (
    *(("convolution", INPUT, MAPS[0]), ("", None, MAPS[1])),
    *(("convolution", MAPS[1], MAPS[2]), ("", None, MAPS[3])),
    *(("", None, (120,)), ("", None, (84,)), ("", None, (10,))),  # a linear layer may be any product
)

LAST = SHAPES[-2]  # may be zero at first, which some recommend
# What goes into each of the five layers, beside the batch.
ENTERS = (INPUT, MAPS[1], (400,), (120,), (84,))

# Relative to the largest output, float32 rounding was at most 1.2e-6 over 60 seeds and several right
# ways to write LeNet-5, and each wrong network of tests/test_checks.py was off by 5e-3 or more at some scale.
ROUNDING = 2e-5
HALF_ROUNDING = 0.01  # of one layer that computes in halves
SCALES = (0.3, 1.0, 30.0, 1000.0)  # of the inputs: some functions are alike for small numbers, some for large
# With small weights the biases hide a small input. A large one showed, by at least three times as much as
# asked for here, in 30 nets for each of five usual ways to initialise and for weights of 0.01.
LOUD = 30.0
VISIBLE = 10 * ROUNDING
# Relative to the largest number of the same tensor. Gradients were off by 1 % at most, in 180 nets: where
# rounding moves one number to the other side of a ReLU's bend.
GRADIENT_ROUNDING = 0.05
DETACHED = "in forward, stay with tensors: no .detach(), .item(), .data, numpy or new tensors"


@pytest.fixture
def lenet(build: Callable[[str], Model]) -> Model:
    """A fresh one for each check: none depends on what another did to it."""
    return build("lenet5")


@check()
def lenet_output_shape(lenet: Model, rng: random.Random, noise: torch.Generator) -> None:
    """`lenet5()` maps (N, 1, 32, 32) to (N, 10) for every batch size N."""
    for n in [1, 2, rng.randint(3, 9)]:
        output = lenet.forward(torch.randn(n, 1, 32, 32, generator=noise))
        expect_equal(tuple(output.shape), (n, 10), of=f"the output's shape for a batch of {n}")


@check()
def lenet_parameter_shapes(lenet: Model) -> None:
    """`lenet5()` has LeNet-5's ten parameter tensors, 61,706 numbers in all."""
    shapes = [tuple(parameter.shape) for parameter in parameters_of(lenet).values()]
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


@check(needs=("lenet_output_shape", "lenet_parameter_shapes"))
def lenet_feature_maps(lenet: Model, noise: torch.Generator) -> None:
    """Inside `lenet5()` the feature maps are 6×28×28, 6×14×14, 16×10×10 and 16×5×5."""
    images = torch.randn(3, *INPUT, generator=noise)
    lenet.forward(images)  # a lazy layer's first call is another one
    seen = lenet.activations(images)
    maps = [INPUT]
    for size in (tuple(step.output) for step in seen):
        if len(size) == 4 and size[0] == 3 and size[1:] != maps[-1]:  # a ReLU changes no size
            maps.append((size[1], size[2], size[3]))
    hint = "5×5 convolutions without padding, a pooling by 2 after each"
    expect_equal(tuple(maps[1:5]), MAPS, of="the feature maps' sizes", hint=hint)
    lacking = _first_lacking([(step.op, step.inputs, step.output) for step in seen], 3)
    expect(not lacking, f"no {lacking} was seen in its place", expected=lacking, hint=hint)
    _expect_layers(lenet, LOUD * images)


@check(needs=("lenet_output_shape", "lenet_parameter_shapes"))
def lenet_same_function(lenet: Model, noise: torch.Generator) -> None:
    """`lenet5()` computes what LeNet-5 computes with the same weights: ReLU, max-pooling, no more."""
    weights = _weights(lenet)
    batches = [scale * torch.randn(8, 1, 32, 32, generator=noise) for scale in SCALES]
    expected = [_lenet(images.double(), weights) for images in batches]
    for scale, right in zip(SCALES, expected, strict=True):
        if scale >= LOUD:
            _expect_visible(right)
    for images, right in zip(batches, expected, strict=True):
        hint = "ReLU and 2×2 max-pooling after each convolution, ReLU between linear layers, no more"
        atol = ROUNDING * right.abs().max().item()
        output = floats(lenet.forward(images), (8, 10), of="lenet5()")
        expect_close(output, right, atol=atol, of="the outputs on random images", hint=hint)


@check(needs=("lenet_output_shape", "lenet_parameter_shapes", "lenet_feature_maps"))
def lenet_gradients(lenet: Model, noise: torch.Generator) -> None:
    """A backward pass through `lenet5()` reaches every parameter."""
    images = torch.randn(16, 1, 32, 32, generator=noise)
    labels = torch.randint(0, 10, (16,), generator=noise)
    parameters = _named_weights(lenet)
    names = {name: tuple(weight.shape) for name, weight in parameters.items()}
    right = _right_gradients(_by_shape(parameters), images, labels)
    is_lenet = _gives(lenet.forward(images, training=True), right.outputs)
    gradients = lenet.gradients(images, labels)
    expect(
        set(gradients) == set(names), "the gradients are not those of the parameters", actual=show(gradients)
    )
    for name, shape in names.items():
        gradient = _expect_arrived(name, gradients[name], shape, may_be_zero=not right.of[shape].any())
        if is_lenet:
            atol = GRADIENT_ROUNDING * right.of[shape].abs().max().item() + ROUNDING * right.largest
            expect_close(
                gradient, right.of[shape], atol=atol, of=f"the gradient of {show(name)}", hint=DETACHED
            )


# The oracle


def _lenet(x: Tensor, weights: dict[Shape, Tensor]) -> Tensor:
    """LeNet-5 as a function of its weights: x (N, 1, 32, 32) → (N, 10)."""
    w = [weights[shape] for shape in SHAPES]
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)  # (N, 6, 14, 14)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2)  # (N, 16, 5, 5)
    x = F.relu(F.linear(x.flatten(1), w[4], w[5]))  # (N, 120)
    x = F.relu(F.linear(x, w[6], w[7]))  # (N, 84)
    return F.linear(x, w[8], w[9])


def _expect_layers(lenet: Model, images: Tensor) -> None:
    """Each layer gives what its parameters make of the images, or of something that was computed before.

    Operations and their sizes are only the word of the student's process. What the five layers give is
    computed here once more, each from what is said to have gone into it; what lies between the layers,
    be it another activation or another pooling, is not judged here.
    """
    weights = _weights(lenet)
    found = [images, *(one for one in lenet.outputs(images) if one.dtype in FLOATS)]
    for shape, bias, enters in zip(SHAPES[::2], SHAPES[1::2], ENTERS, strict=True):
        layer = F.conv2d if len(shape) == 4 else F.linear
        inputs = [x.double() for x in found if tuple(x.shape) == (len(images), *enters)]
        expected = [layer(x, weights[shape], weights[bias]) for x in inputs]
        expect(
            any(
                _alike(x, right, visible=shape != LAST)
                for right in expected
                for x in found
                if x.shape == right.shape
            ),
            f"no layer gives what the parameters of shape {show(shape)} make of what goes into it",
            hint="a layer that is defined has to be used, and what goes into it has to come from the images",
        )


def _alike(x: Tensor, right: Tensor, *, visible: bool) -> bool:
    """Whether a layer gave `right` but for rounding and, if `visible`, it differs between the images."""
    rounding = ROUNDING if x.dtype in (torch.float32, torch.float64) else HALF_ROUNDING
    size = right.abs().max().item()
    if visible and not right.std(0).max().item() > 10 * rounding * size:
        return False
    return (x.double() - right).abs().max().item() <= rounding * size  # false for NaN


def _weights(lenet: Model) -> dict[Shape, Tensor]:
    return _by_shape(_named_weights(lenet))


def _by_shape(parameters: dict[str, Tensor]) -> dict[Shape, Tensor]:
    return {tuple(weight.shape): weight for weight in parameters.values()}


def _named_weights(lenet: Model) -> dict[str, Tensor]:
    """The parameters, whose shapes are LeNet-5's, in double precision."""
    parameters = parameters_of(lenet)
    shapes = sorted(tuple(parameter.shape) for parameter in parameters.values())
    expect_equal(shapes, sorted(SHAPES), of="the parameters' shapes")  # again: this is another model
    return {
        name: floats(parameter.detach(), tuple(parameter.shape), of=show(name)).double()
        for name, parameter in parameters.items()
    }


def _expect_visible(output: Tensor) -> None:
    """Weights of zero would make all networks look alike: then nothing is shown."""
    if not output.std(0).max() > VISIBLE * output.abs().max():
        raise CheckFailed(
            "with these weights LeNet-5 gives the same output for every image",
            expected="outputs that depend on the image",
            hint="leave the layers as PyTorch initialises them",
        )


class _Right(NamedTuple):
    outputs: Tensor
    of: dict[Shape, Tensor]  # gradients by the parameters' shapes
    largest: float  # among all of them


def _right_gradients(weights: dict[Shape, Tensor], images: Tensor, labels: Tensor) -> _Right:
    """LeNet-5's outputs and gradients. A gradient may be zero: units can be dead from the start."""
    weights = {shape: weight.requires_grad_() for shape, weight in weights.items()}
    outputs = _lenet(images.double(), weights)
    loss = F.cross_entropy(outputs, labels)
    gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    return _Right(outputs.detach(), gradients, largest)


def _gives(outputs: Tensor, right: Tensor) -> bool:
    """Whether the network computes what LeNet-5 computes, so that its gradients have to be LeNet-5's."""
    try:
        atol = ROUNDING * right.abs().max().item()
        expect_close(floats(outputs, tuple(right.shape), of="lenet5()"), right, atol=atol, of="the outputs")
    except CheckFailed:
        return False
    return True


def _expect_arrived(name: str, gradient: Tensor | None, shape: Shape, *, may_be_zero: bool) -> Tensor:
    of = f"the gradient of {show(name)}"
    if gradient is None:
        raise CheckFailed(
            f"no gradient for {show(name)}", expected="a gradient", actual="none", hint=DETACHED
        )
    gradient = floats(gradient, shape, of=of)
    expect(may_be_zero or bool(gradient.any()), f"{of} is zero throughout", hint=DETACHED)
    return gradient


def _first_lacking(seen: Sequence[tuple[str, Shape, Shape]], n: int) -> str:
    """The first of STEPS that did not happen, in their order, for a batch of `n`; empty if all did."""
    rest: Iterator[tuple[str, Shape, Shape]] = iter(seen)
    for name, source, target in STEPS:
        for op, inputs, output in rest:
            if output == (n, *target) and (source is None or (op == name and inputs == (n, *source))):
                break
        else:
            return f"{name or 'step'} to {'×'.join(map(str, target))}"
    return ""


def _difference(some: list[Shape], others: list[Shape]) -> list[Shape]:
    rest = list(some)
    for shape in others:
        if shape in rest:
            rest.remove(shape)
    return rest
