"""What the self-test asks of a student's code: a check for each row of the rubric, with inputs of its own."""

from __future__ import annotations

import functools
import io
import pkgutil
import random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from grader.expect import CheckFailed, expect, expect_close, expect_equal, floats, show, whole
from grader.labs.lab8 import INPUT_SHAPE
from grader.labs.lab8.learning import CLASSES, expect_learns, logits_of, prepared
from grader.labs.lab8.lenet import MAPS, SHAPES, parameters_of
from grader.labs.lab8.selftest import lenet
from grader.sandbox.protocol import Value
from grader.sandbox.student import Model, Student, StudentFailure
from grader.selftest.public import Check, checks_into
from grader.sheets import from_sheet

UNSCALED = 20.0  # numbers beyond it after `preprocess` are pixels
EACH = 25  # images of each class to learn from
CALL_SECONDS = 10.0
ARITHMETIC_SECONDS = 5.0
RESHAPING = {"slice", "select", "narrow", "relu", "view", "reshape", "clone"}  # what is no layer
LENET = ("lenet_output_shape", "lenet_parameter_shapes")

CHECKS: list[Check] = []
check = checks_into(CHECKS)


@functools.cache
def labelled() -> tuple[Tensor, Tensor]:
    """Some of CIFAR-10's test images, uint8 (400, 3, 32, 32), as many of each class; and their labels."""
    packed = pkgutil.get_data(__package__, "images.webp") or b""
    digits = (pkgutil.get_data(__package__, "labels.txt") or b"").decode()
    with Image.open(io.BytesIO(packed)) as picture:
        images = from_sheet(np.asarray(picture.convert("RGB")), INPUT_SHAPE)
    return torch.from_numpy(images), torch.tensor([int(digit) for digit in digits])


# Convolution arithmetic


@check("conv", "conv_output_size where every step fits")
def conv_size_formula(student: Student) -> None:
    hint = "(input + 2 · padding − kernel) / stride + 1"
    for arguments, right in (
        *(((32, 5), 28), ((28, 3, 1, 1), 28), ((227, 11, 4), 55)),
        *(((12, 4, 2, 2), 7), ((20, 6, 3, 2), 7), ((9, 4, 1, 3), 12)),
    ):
        found = _call(student, "conv_output_size", arguments, hint)
        expect_equal(whole(found), right, of=_text("conv_output_size", arguments), hint=hint)


@check("conv", "conv_output_size where the last step does not fit, always as an int", ("conv_size_formula",))
def conv_size_floor(student: Student) -> None:
    hint = "an int; a step that would reach over the edge is not taken: divide with //"
    for arguments, right in (
        ((10, 3, 2), 4),
        ((12, 5, 4), 2),
        ((14, 3, 4), 3),
        ((9, 4, 3, 1), 3),
        ((32, 5), 28),
    ):
        found = _call(student, "conv_output_size", arguments, hint)
        expect_equal(found, right, of=_text("conv_output_size", arguments), hint=hint)


@check("conv", "conv_output_size of pairs", ("conv_size_formula",))
def conv_size_pairs(student: Student) -> None:
    hint = "(height, width); an int stands for both, and one pair makes the result a pair"
    for arguments, right in (
        (((32, 48), 5, 1, (0, 2)), (28, 48)),
        (((30, 20), 3), (28, 18)),
        ((32, (5, 3)), (28, 30)),
        ((31, 3, (2, 1)), (15, 29)),
        ((32, 3, 1, (1, 0)), (32, 30)),
        (((32, 16), (4, 2), (2, 1), (1, 3)), (16, 21)),
    ):
        found = whole(_call(student, "conv_output_size", arguments, hint))
        expect_equal(found, right, of=_text("conv_output_size", arguments), hint=hint)


@check("conv", "conv_output_size of what cannot be", ("conv_size_formula",))
def conv_size_impossible(student: Student) -> None:
    hint = "raise ValueError: sizes, kernels and strides are at least 1, padding 0, and the kernel has to fit"
    for arguments in ((4, 7), (6, 9, 1, 1), (8, 0), (8, 3, 0), (8, 3, -2), (0, 1), (8, 3, 1, -1), (-8, 3)):
        call = _text("conv_output_size", arguments)
        try:
            returned = show(_call(student, "conv_output_size", arguments))
        except StudentFailure as failure:
            if failure.kind != "raised" or "NotImplementedError" in failure.types:
                raise
            if "ValueError" in failure.types:
                continue
            returned = failure.message
        raise CheckFailed(f"{call}: expected ValueError, got {returned}", hint=hint)
    hint = "a kernel as large as the padded input fits once"
    found = whole(_call(student, "conv_output_size", (6, 8, 1, 1)))
    expect_equal(found, 1, of="conv_output_size(6, 8, 1, 1)", hint=hint)


@check("conv", "conv_parameter_count with and without biases")
def conv_params_bias(student: Student) -> None:
    hint = "the weights of every kernel, and one bias for each output channel"
    for arguments, right in (((1, 6, 5), 156), ((6, 16, 5, False), 2400), ((3, 8, 3, True), 224)):
        found = _call(student, "conv_parameter_count", arguments, hint)
        expect_equal(found, right, of=_text("conv_parameter_count", arguments), hint=hint)


@check("conv", "conv_parameter_count of a kernel that is not square", ("conv_params_bias",))
def conv_params_nonsquare(student: Student) -> None:
    for arguments, right in (((3, 8, (1, 7)), 176), ((4, 2, (5, 2)), 82)):
        hint = "a kernel of (height, width) has height · width weights a channel"
        found = _call(student, "conv_parameter_count", arguments, hint)
        expect_equal(found, right, of=_text("conv_parameter_count", arguments), hint=hint)


# LeNet-5


@check("lenet", "lenet5 gives ten logits an image")
def lenet_output_shape(student: Student) -> None:
    model = student.build("lenet5")
    for count in (1, 4):
        found = tuple(model.forward(torch.rand(count, 1, 32, 32)).shape)
        hint = "flatten all but the first dimension"
        expect_equal(found, (count, CLASSES), of=f"the shape for a batch of {count}", hint=hint)


@check("lenet", "lenet5 has LeNet-5's parameters")
def lenet_parameter_shapes(student: Student) -> None:
    found = sorted(tuple(value.shape) for value in parameters_of(student.build("lenet5")).values())
    hint = "two convolutions and three linear layers, all with biases, and no more"
    numbers = sum(torch.Size(shape).numel() for shape in found)
    expect_equal(
        (len(found), numbers), (10, 61706), of="the number of tensors and of numbers in them", hint=hint
    )
    expect_equal(found, sorted(SHAPES), of="the shapes", hint=hint)


@check("lenet", "lenet5 has LeNet-5's feature maps", LENET)
def lenet_feature_maps(student: Student) -> None:
    model = student.build("lenet5")
    images = torch.rand(2, 1, 32, 32)
    model.forward(images)  # a lazy layer's first call is another one
    steps = model.activations(images)
    seen = [step.output for step in steps if len(step.output) == 4]
    maps = [shape[1:] for shape in dict.fromkeys(seen) if shape != images.shape]
    hint = "5×5 convolutions without padding, a pooling by 2 after each"
    expect_equal(tuple(maps[:4]), MAPS, of="the feature maps' sizes", hint=hint)
    hint = "a layer that is defined has to be used"
    for size in (120, 84, CLASSES):
        made = {step.op for step in steps if step.output == (len(images), size)} - RESHAPING
        expect(bool(made), f"no layer gives {size} numbers an image", hint=hint)


@check("lenet", "lenet5 computes what LeNet-5 computes", LENET)
def lenet_same_function(student: Student) -> None:
    with lenet.with_weights(student) as model:
        for scale, right in lenet.OUTPUTS.items():
            found = floats(model.forward(scale * lenet.images()), (lenet.IMAGES, CLASSES), of="lenet5()")
            hint = "ReLU and 2×2 max-pooling after each convolution, ReLU between the linear layers, no more"
            wanted = torch.tensor(right)
            atol = 1e-4 * wanted.abs().max().item()
            expect_close(
                found, wanted, atol=atol, of="the outputs with weights that the self-test sets", hint=hint
            )


@check("lenet", "a backward pass reaches all of lenet5", (*LENET, "lenet_feature_maps"))
def lenet_gradients(student: Student) -> None:
    with lenet.with_weights(student) as model:
        names = {name: tuple(value.shape) for name, value in parameters_of(model).items()}
        outputs = model.forward(lenet.images(), training=True)
        gradients = model.gradients(lenet.images(), torch.arange(lenet.IMAGES))
    right = torch.tensor(lenet.OUTPUTS[1.0])
    is_lenet = outputs.shape == right.shape and torch.allclose(outputs.float(), right, atol=1e-3)
    for name, shape in names.items():
        gradient, of = gradients.get(name), f"the gradient of {show(name)}"
        hint = "in forward, stay with tensors: no .detach(), .item(), .data, numpy or new tensors"
        if gradient is None:
            raise CheckFailed(f"no gradient for {show(name)}", hint=hint)
        size = floats(gradient, shape, of=of).abs().sum()
        expect(size.item() > 0, f"{of} is zero throughout", hint=hint)
        if is_lenet:  # another network has other gradients
            wanted = torch.tensor(lenet.GRADIENTS[shape])
            expect_close(size, wanted, atol=0.02 * wanted.item(), of=of, hint=hint)


# The classifier


@check("classifier", "preprocess gives floats, image by image")
def classifier_preprocess(student: Student) -> str:
    images = labelled()[0][:6]
    ready, after = student.call_and_look_back("preprocess", images, seconds=CALL_SECONDS)
    ready = prepared(ready, len(images))
    same = isinstance(after[0], Tensor) and after[0].dtype == images.dtype and torch.equal(after[0], images)
    expect(same, "preprocess changed the images that it was given", hint="make a new tensor: images.float()")
    for place in (0, 3):
        alone = student.call("preprocess", images[place : place + 1], seconds=CALL_SECONDS)
        alone = prepared(alone, 1)
        hint = "no randomness, and fixed numbers: no mean or maximum of the batch"
        of = "an image alone and in a batch"
        expect_close(alone, ready[place : place + 1], atol=1e-4, rtol=1e-4, of=of, hint=hint)
    if ready.dtype == torch.float64:
        return "float64 where networks usually take float32: images.float()"
    if ready.abs().max().item() > UNSCALED:
        return "numbers far from 0: a network learns fastest with a mean about 0 and a spread about 1"
    return ""


@check("classifier", "classifier gives ten finite logits an image")
def classifier_logits(student: Student) -> str:
    model = student.build("classifier")
    together = _logits(model, labelled()[0][:12])
    for count in (1, 7):
        apart = _logits(model, labelled()[0][:count])
        hint = "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch"
        spread = 0.02 * together.double().std(0).max().item()
        atol = max(1e-4 * together.double().abs().max().item(), spread)
        expect_close(
            apart, together[:count], atol=atol, of="the logits of an image in two batches", hint=hint
        )
    chances = together.double()
    for sums in (chances.sum(1), chances.exp().sum(1)):
        if (sums - 1).abs().max().item() < 1e-3:
            return "is there a softmax at the end? F.cross_entropy takes logits, and does it itself"
    return ""


@check("train", "train_classifier learns from a few images")
def classifier_trains(student: Student) -> str:
    some, their = labelled()
    by_class = [some[their == label][:EACH] for label in range(CLASSES)]
    images = torch.stack(by_class, dim=1).flatten(0, 1)  # every ten hold each class once
    labels = torch.arange(CLASSES).repeat(EACH)
    kind = expect_learns(student, images, labels, random.Random("the self-test's"))
    if kind != "dict":
        return f"return the history, a dict, which may be empty: it was of type {kind}, which costs nothing"
    return ""


@check("weights", "the weights fit classifier")
def classifier_weights_load(student: Student) -> None:
    report = student.build("classifier").load_weights()
    hint = "train again, or change classifier() back to what you trained; then save_weights(model)"
    expect(report.loaded, "; ".join(report.differences), hint=hint)


# Help


def _call(student: Student, name: str, arguments: tuple[Any, ...], hint: str = "") -> Value:
    """What the function returns, and a word on it where it is nothing or raises; then `hint` is told."""
    try:
        found = student.call(name, *arguments, seconds=ARITHMETIC_SECONDS)
    except StudentFailure as failure:
        says_enough = {"NotImplementedError", "SyntaxError"} & {*failure.types}
        if not hint or failure.kind not in ("raised", "bad_value") or says_enough:
            raise
        raise CheckFailed(f"{_text(name, arguments)}: {failure.message}", hint=hint) from None
    if found is None:
        told = "return the result: print only shows it"
        raise CheckFailed(f"{_text(name, arguments)}: it returned None", hint=told)
    return found


def _text(name: str, arguments: tuple[Any, ...]) -> str:
    return f"{name}({', '.join(map(show, arguments))})"


def _logits(model: Model, images: Tensor) -> Tensor:
    return logits_of(model.classify(images, seconds=CALL_SECONDS), len(images))
